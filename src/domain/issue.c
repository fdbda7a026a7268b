/*
 * The list of all that is wrong with a request, which becomes `details` of a 400 and, without
 * anything that the sender made up, a word list for the log.  Issues live in the request's arena;
 * their messages are for the person who made the mistake and quote no value.
 */
#include "domain/issue.h"

#include <stdarg.h>
#include <stdio.h>

#define NAME_CUT 64  /* bytes of an unknown field's name that go into a path */
#define LOGGED   10  /* issues of one request that a log line bears */
#define LIST_CAP 512 /* bytes of a list of words in a message; ours are under 150 */

/* clang-format off */
const char *const issue_code_words[ISSUE__MAX] = {
	[ISSUE_REQUIRED] = "required",
	[ISSUE_TYPE] = "type",
	[ISSUE_ENUM] = "enum",
	[ISSUE_LENGTH] = "length",
	[ISSUE_FORMAT] = "format",
	[ISSUE_HOST] = "host",
	[ISSUE_UNKNOWN] = "unknown",
	[ISSUE_READONLY] = "readonly",
	[ISSUE_RESERVED] = "reserved",
	[ISSUE_DUPLICATE] = "duplicate",
	[ISSUE_JSON] = "json",
};

/* What a value is, with its article. */
static const char *const type_words[JSON__MAX] = {
	[JSON_NULL] = "null",
	[JSON_BOOL] = "a boolean",
	[JSON_NUMBER] = "a number",
	[JSON_STRING] = "a string",
	[JSON_ARRAY] = "an array",
	[JSON_OBJECT] = "an object",
};
/* clang-format on */

void
issues_init(struct issues *list, struct arena *arena)
{
	list->arena = arena;
	list->first = NULL;
	list->last = NULL;
	list->count = 0;
	list->failed = false;
}

/* Hang a new issue at the end; NULL ${path} or ${message} means that the arena had no memory for
 * it. */
static void
append(struct issues *list, const char *path, bool path_is_known, enum issue_code code,
    const char *message)
{
	struct issue *i;

	if (path == NULL || message == NULL || (i = arena_alloc(list->arena, sizeof(*i))) == NULL) {
		list->failed = true;
		return;
	}
	i->next = NULL;
	i->path = path;
	i->code = code;
	i->path_is_known = path_is_known;
	i->message = message;
	if (list->last == NULL)
		list->first = i;
	else
		list->last->next = i;
	list->last = i;
	list->count++;
}

/* Is there room for one more?  The first that has none is told once. */
static bool
has_room(struct issues *list)
{
	if (list->count < ISSUES_MAX)
		return (true);
	if (list->count == ISSUES_MAX)
		append(list, "", true, ISSUE_LENGTH,
		    "has more faults than are listed here: correct these and send it again");
	return (false);
}

/* The formatted text in ${a}, or NULL. */
__attribute__((format(printf, 2, 0))) static char *
format(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *p = NULL;
	int n;

	va_copy(again, ap);
	if ((n = vsnprintf(NULL, 0, fmt, again)) >= 0 &&
	    (p = arena_alloc(a, (size_t)n + 1)) != NULL)
		vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(again);
	return (p);
}

void
issue_add(struct issues *list, const char *path, enum issue_code code, const char *fmt, ...)
{
	char *message;
	va_list ap;

	if (!has_room(list))
		return;
	va_start(ap, fmt);
	message = format(list->arena, fmt, ap);
	va_end(ap);
	append(list, arena_dup(list->arena, slice_of(path)), true, code, message);
}

/* Write "a, b or c" to ${out}. */
static const char *
list_words(const char *const words[], size_t nwords, char out[static LIST_CAP])
{
	size_t i, used = 0;
	int n;

	out[0] = '\0';
	for (i = 0; i < nwords && used < LIST_CAP; i++) {
		n = snprintf(out + used, LIST_CAP - used, "%s%s",
		    i == 0 ? "" : (i + 1 == nwords ? " or " : ", "), words[i]);
		used += n < 0 ? 0 : (size_t)n;
	}
	return (out);
}

void
issue_add_type(struct issues *list, const char *path, const char *want, const struct json *got)
{
	issue_add(list, path, ISSUE_TYPE, "must be %s, not %s", want, type_words[json_type(got)]);
}

void
issue_add_enum(struct issues *list, const char *path, struct slice sent, const char *const words[],
    size_t nwords)
{
	const char *nearest;
	char all[LIST_CAP];

	list_words(words, nwords, all);
	if (sent.ptr == NULL)
		issue_add(list, path, ISSUE_REQUIRED, "is missing: must be one of %s", all);
	else if ((nearest = text_nearest(sent, words, nwords)) != NULL)
		issue_add(list, path, ISSUE_ENUM, "must be one of %s; did you mean \"%s\"?", all,
		    nearest);
	else
		issue_add(list, path, ISSUE_ENUM, "must be one of %s", all);
}

void
issue_add_unknown(struct issues *list, const char *parent, struct slice name,
    const char *const known[], size_t nknown)
{
	const char *nearest = text_nearest(name, known, nknown);
	struct slice cut = text_utf8_cut(name, NAME_CUT);
	char all[LIST_CAP], *path, *message;

	if (!has_room(list))
		return;
	path = arena_printf(
	    list->arena, "%s%s%.*s", parent, *parent == '\0' ? "" : ".", (int)cut.len, cut.ptr);
	if (nearest != NULL)
		message = arena_printf(
		    list->arena, "is no field of this object; did you mean \"%s\"?", nearest);
	else
		message =
		    arena_printf(list->arena, "is no field of this object: remove it, or use %s",
			list_words(known, nknown, all));
	append(list, path, false, ISSUE_UNKNOWN, message);
}

void
issue_add_at(struct issues *list, struct slice path, enum issue_code code, const char *message)
{
	if (!has_room(list))
		return;
	append(list, arena_dup(list->arena, path), false, code,
	    arena_dup(list->arena, slice_of(message)));
}

void
issues_json(const struct issues *list, struct buf *b)
{
	const struct issue *i;

	buf_printf(b, "{\"issues\":[");
	for (i = list->first; i != NULL; i = i->next) {
		buf_printf(b, "%s{\"path\":", i == list->first ? "" : ",");
		json_put(b, slice_of(i->path));
		buf_printf(b, ",\"code\":");
		json_put(b, slice_of(issue_code_words[i->code]));
		buf_printf(b, ",\"message\":");
		json_put(b, slice_of(i->message));
		buf_addc(b, '}');
	}
	buf_printf(b, "]}");
}

void
issues_log_words(const struct issues *list, struct buf *b)
{
	const struct issue *i;
	size_t n = 0;

	for (i = list->first; i != NULL && n < LOGGED; i = i->next, n++)
		buf_printf(b, "%s%s:%s", n == 0 ? "" : ",", i->path_is_known ? i->path : "?",
		    issue_code_words[i->code]);
}
