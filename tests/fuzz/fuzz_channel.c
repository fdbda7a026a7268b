/* The body of a create, a PUT and a PATCH: what is taken keeps every bound of contract §3, what is
 * refused says so in JSON, and no URL of an inside host is taken. */
#include <string.h>

#include "base/url.h"
#include "domain/channel_edit.h"
#include "fuzz.h"
#include "inside.h"

static const struct credentials_policy closed;

static void
check_name(struct slice name)
{
	size_t count = text_utf8_count(name), used;
	struct slice rest = name;
	uint32_t c;

	MUST(fuzz_is_utf8(name) && count >= 1 && count <= CHANNEL_NAME_MAX);
	for (; rest.len > 0; rest = slice_skip(rest, used)) {
		MUST((used = text_utf8_next(rest, &c)) > 0);
		MUST(c >= 0x20 && !(c >= 0x7f && c <= 0x9f));
	}
}

static void
check_url(struct slice text)
{
	enum url_fault fault;
	struct url u;

	MUST(text.len <= URL_MAX && url_parse(text, &u, &fault) == ERR_OK);
	MUST(!inside_text(u.host) && strchr(u.host, '.') + (size_t)strchr(u.host, ':') != NULL);
}

static void
check_credentials(const struct credentials *c)
{
	const struct credentials_value *v;
	struct slice text;
	size_t i, k;

	MUST(c->nvalues <= CREDENTIALS_FIELDS_MAX);
	MUST(memchr(c->destination, '\0', sizeof(c->destination)) != NULL);
	for (i = 0; i < c->nvalues; i++) {
		v = &c->values[i];
		text = buf_slice(&v->text);
		if (v->removed)
			continue;
		MUST(buf_ok(&v->text) && text.len >= 1 && text.len <= CREDENTIALS_VALUE_MAX);
		if (strcmp(v->name, "url") == 0 || strcmp(v->name, "webhookUrl") == 0)
			check_url(text);
		if (strcmp(v->name, "hmacSecret") == 0)
			MUST(text.len <= 512);
		if (strcmp(v->name, "authHeader") != 0)
			continue;
		MUST(text.len <= 2048 && text.ptr[0] != ' ' && text.ptr[text.len - 1] != ' ');
		for (k = 0; k < text.len; k++)
			MUST(text.ptr[k] >= 0x20 && text.ptr[k] <= 0x7e);
	}
}

/* What is told of a refused body is JSON, and a line of a log. */
static void
check_issues(const struct issues *issues)
{
	struct json_fault fault;
	struct json *tree;
	struct buf b;

	buf_init(&b, 16 * 1024 * 1024);
	issues_json(issues, &b);
	MUST(buf_ok(&b) && fuzz_is_utf8(buf_slice(&b)));
	MUST(json_parse(buf_slice(&b), &tree, &fault) == ERR_OK);
	MUST(json_len(json_get(tree, "issues")) ==
	     (issues->count <= ISSUES_MAX ? issues->count : ISSUES_MAX + 1));
	json_free(tree);
	buf_reset(&b);
	issues_log_words(issues, &b);
	MUST(buf_ok(&b) && (b.len == 0 || memchr(b.ptr, '\n', b.len) == NULL));
	buf_clear(&b);
}

static void
check_create(const struct json *body, struct arena *arena)
{
	struct channel_new c;
	struct issues issues;

	issues_init(&issues, arena);
	channel_new_parse(body, &closed, &issues, &c);
	MUST(!issues.failed);
	if (issues.count == 0) {
		MUST(c.type < CHANNEL__MAX && c.credentials.nvalues >= 1);
		check_name(c.name);
		check_credentials(&c.credentials);
	} else {
		check_issues(&issues);
	}
	channel_new_clear(&c);
}

static void
check_edit(const struct json *body, struct arena *arena, bool is_part)
{
	struct channel_current current = {.type = CHANNEL_WEBHOOK,
	    .shown = SLICE_LIT(
		"{\"id\":\"x\",\"type\":\"webhook\",\"name\":\"n\",\"scope\":\"project\"}")};
	struct channel_edit edit;
	struct issues issues;

	channel_current_fields(&current, slice_of("url,hmacSecret"));
	issues_init(&issues, arena);
	channel_edit_parse(body, &current, is_part, &closed, &issues, &edit);
	MUST(!issues.failed);
	if (issues.count == 0) {
		if (edit.name.ptr != NULL)
			check_name(edit.name);
		MUST(edit.overlap_s >= 0 && edit.overlap_s <= CHANNEL_OVERLAP_MAX_S);
		MUST(edit.is_active >= -1 && edit.is_active <= 1);
		if (edit.has_credentials)
			check_credentials(&edit.credentials);
		/* another place needs the whole set: what was kept goes nowhere new */
		if (edit.has_credentials && !edit.replaces &&
		    credentials_names(&edit.credentials, "url"))
			MUST(credentials_names(&edit.credentials, "hmacSecret") ||
			     edit.credentials.nvalues >= 2);
	} else {
		check_issues(&issues);
	}
	channel_edit_clear(&edit);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size);
	struct json_fault fault;
	struct json *body;
	struct arena *arena;

	if (json_parse(text, &body, &fault) != ERR_OK)
		return (0);
	MUST((arena = arena_new()) != NULL);
	check_create(body, arena);
	check_edit(body, arena, false);
	check_edit(body, arena, true);
	arena_free(arena);
	json_free(body);
	return (0);
}
