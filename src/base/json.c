/*
 * JSON in and out, and the only user of json-c.  json-c keeps the tree; the reading is our own:
 * json-c's tokener lets pass what RFC 8259 forbids, calls half a tree a success where memory ran
 * out, and leaves copies of names and strings behind.  Each value is hung into the tree as soon
 * as it is read, so that freeing the root wipes a half-read tree too.
 */
#include "base/json.h"

/* json-c has a type json_bool and a type json_type of its own; in here they bear other names. */
#define json_bool jsonc_bool
#define json_type jsonc_type
#include <json-c/json_object.h>
#include <json-c/linkhash.h>
#undef json_bool
#undef json_type

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define STRINGIFY(x) #x
#define STRING(x)    STRINGIFY(x)
#define ARRAY_FIRST \
	4 /* elements to make room for at first: json-c's 32 would cost "[[],[],…" dear */

/* json-c's null is a NULL pointer, ours must differ from "there is none". */
struct json {
	char unused;
};
static struct json null_value;

/** A text being read, and the tree as far as it stands. */
struct reader {
	struct slice text;
	size_t at;                /* the next byte to read */
	struct json_object *root; /* owned; NULL is json-c's null */
	struct json_object
	    *open[JSON_DEPTH_MAX]; /* borrowed from root: the containers around ${at} */
	size_t depth;              /* how many of them */
	bool just_opened;          /* no item of the innermost one was read yet */
	struct buf scratch;        /* the last string with escapes, the last name */
	enum err rc;               /* why a step returned false */
	struct json_fault *fault;
};

/** What a person meant who began like this. */
struct hint {
	const char *begins;
	const char *words;
};

const char *const json_type_words[JSON__MAX] = {
    [JSON_NULL] = "null",
    [JSON_BOOL] = "boolean",
    [JSON_NUMBER] = "number",
    [JSON_STRING] = "string",
    [JSON_ARRAY] = "array",
    [JSON_OBJECT] = "object",
};

#define SAY_QUOTES   "strings and names need double quotes"
#define SAY_STRAIGHT "strings and names need straight double quotes, not typographic ones"
#define SAY_COMMENT  "JSON has no comments; remove this one"
#define SAY_WORDS    "without quotes only true, false and null may stand, in lower case"
#define SAY_NAN      "JSON has no NaN, Infinity or undefined; use null or leave the field out"
#define SAY_BLANK    "a special blank; only space, tab and line breaks may stand here"
#define SAY_EXTRA    "there is nothing open that this could close, or a value is missing here"

/* Tried wherever something else was expected. */
static const struct hint anywhere[] = {
    {"'", SAY_QUOTES},
    {"\xe2\x80\x98", SAY_STRAIGHT}, /* U+2018, and so on */
    {"\xe2\x80\x99", SAY_STRAIGHT},
    {"\xe2\x80\x9c", SAY_STRAIGHT},
    {"\xe2\x80\x9d", SAY_STRAIGHT},
    {"/", SAY_COMMENT},
    {"#", SAY_COMMENT},
    {"\xef\xbb\xbf", "a byte-order mark; save the text as UTF-8 without one"},
    {"\xc2\xa0", SAY_BLANK},
    {"\f", SAY_BLANK},
    {"\v", SAY_BLANK},
    {NULL, NULL},
};

/* Tried where a value was expected. */
static const struct hint for_value[] = {
    {"-I", SAY_NAN},
    {"I", SAY_NAN},
    {"NaN", SAY_NAN},
    {"undefined", SAY_NAN},
    {"N", SAY_WORDS},
    {"T", SAY_WORDS},
    {"F", SAY_WORDS},
    {"+", "a number does not begin with a plus sign"},
    {".", "a number needs a digit before its point"},
    {",", "a value is missing before this comma"},
    {"}", SAY_EXTRA},
    {"]", SAY_EXTRA},
    {NULL, NULL},
};

static const struct hint none[] = {{NULL, NULL}};

/* What still is to be read. */
static struct slice
rest(const struct reader *r)
{
	return (slice_skip(r->text, r->at));
}

/* The next byte, -1 at the end. */
static int
peek(const struct reader *r)
{
	return (r->at < r->text.len ? (unsigned char)r->text.ptr[r->at] : -1);
}

/* Is ${c} next?  Then step over it. */
static bool
eat(struct reader *r, char c)
{
	if (peek(r) != (unsigned char)c)
		return (false);
	r->at++;
	return (true);
}

/* There is no memory; false, for the step that found out to return. */
static bool
no_memory(struct reader *r)
{
	r->rc = ERR_NOMEM;
	return (false);
}

/* Put down what is wrong at the byte ${at}; false, for the step that found it to return. */
static bool
wrong(struct reader *r, size_t at, const char *words)
{
	struct json_fault *f = r->fault;
	size_t i;

	memset(f, 0, sizeof(*f));
	f->code = "json";
	f->line = f->column = 1;
	for (i = 0; i < at; i++) {
		f->column++;
		if (r->text.ptr[i] == '\n') {
			f->line++;
			f->column = 1;
		}
	}
	snprintf(
	    f->message, sizeof(f->message), "line %zu, column %zu: %s", f->line, f->column, words);
	r->rc = ERR_INVALID;
	return (false);
}

/* The words of the first hint that fits what comes next, or NULL. */
static const char *
hint_find(const struct reader *r, const struct hint *hints)
{
	for (; hints->begins != NULL; hints++) {
		if (slice_starts(rest(r), slice_of(hints->begins)))
			return (hints->words);
	}
	return (NULL);
}

/* What comes next is wrong: by ${hints}, by those for anywhere, else ${words} tell why. */
static bool
wrong_here(struct reader *r, const struct hint *hints, const char *words)
{
	const char *found;
	uint32_t codepoint;

	if (r->at == r->text.len)
		words = "the text ends here, but the JSON value is not complete";
	else if (text_utf8_next(rest(r), &codepoint) == 0)
		words = "a byte that is not valid UTF-8; save the text as UTF-8";
	else if ((found = hint_find(r, hints)) != NULL || (found = hint_find(r, anywhere)) != NULL)
		words = found;
	return (wrong(r, r->at, words));
}

/* RFC 8259 section 2: these four and no other are white space. */
static void
skip_blank(struct reader *r)
{
	while (eat(r, ' ') || eat(r, '\t') || eat(r, '\n') || eat(r, '\r'))
		continue;
}

/* Append ${c} to ${b} as UTF-8. */
static void
put_utf8(struct buf *b, uint32_t c)
{
	char out[4];

	buf_add(b, slice_make(out, text_utf8_put(c, out)));
}

/* Read \u and four hex digits, one UTF-16 unit; false, and nothing read, where there is none. */
static bool
read_unit(struct reader *r, uint32_t *unit)
{
	struct slice s = rest(r);
	uint8_t bytes[2];

	if (s.len < 6 || s.ptr[0] != '\\' || s.ptr[1] != 'u' ||
	    text_unhex(slice_make(s.ptr + 2, 4), bytes, sizeof(bytes)) != ERR_OK)
		return (false);
	*unit = (uint32_t)bytes[0] << 8 | bytes[1];
	r->at += 6;
	return (true);
}

/* Read a code point escaped as UTF-16 (RFC 8259 section 7) and append it to the scratch. */
static bool
read_unicode(struct reader *r)
{
	const size_t start = r->at;
	uint32_t c, low;

	if (!read_unit(r, &c))
		return (wrong(r, start, "\\u needs four hex digits behind it"));
	if (c == 0)
		return (wrong(r, start, "\\u0000 is not allowed; remove it from the string"));
	if (c >= 0xd800 && c <= 0xdfff) {
		if (c >= 0xdc00 || !read_unit(r, &low) || low < 0xdc00 || low > 0xdfff)
			return (wrong(r, start,
			    "half of a surrogate pair; write both halves, high before low"));
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(&r->scratch, c);
	return (true);
}

/* Read the escape that begins at the backslash and append what it stands for to the scratch. */
static bool
read_escape(struct reader *r)
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (r->at + 1 == r->text.len) {
		r->at++;
		return (wrong_here(r, none, ""));
	}
	c = r->text.ptr[r->at + 1];
	if (c == 'u')
		return (read_unicode(r));
	if (c == '\0' || (found = strchr(letters, c)) == NULL)
		return (wrong(r, r->at,
		    "a backslash goes only before \" \\ / b f n r t u; for itself write it twice"));
	buf_addc(&r->scratch, means[found - letters]);
	r->at += 2;
	return (true);
}

/* How many bytes at the front of ${s} are ASCII that stands for itself in a string. */
static size_t
plain_run(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (unsigned char)s.ptr[n] - 0x20u < 0x60 && s.ptr[n] != '"' &&
	       s.ptr[n] != '\\')
		n++;
	return (n);
}

/* Step over characters that stand for themselves, up to a quote or a backslash. */
static bool
read_plain(struct reader *r)
{
	uint32_t codepoint;
	size_t n;
	int c;

	for (;;) {
		r->at += plain_run(rest(r));
		if ((c = peek(r)) == '"' || c == '\\')
			return (true);
		if (c < 0x20 && c >= 0)
			return (wrong(r, r->at,
			    "a control character or line break inside a string; "
			    "write it as \\n, \\t or \\u00XX"));
		n = text_utf8_next(rest(r), &codepoint);
		if (n == 0) /* the end too */
			return (wrong_here(r, none, ""));
		r->at += n;
	}
}

/* Read the string whose quote is next.  ${out} lies in the text; with escapes, in the scratch. */
static bool
read_string(struct reader *r, struct slice *out)
{
	bool escaped = false;
	size_t start;

	buf_reset(&r->scratch);
	r->at++;
	for (;;) {
		start = r->at;
		if (!read_plain(r))
			return (false);
		*out = slice_make(r->text.ptr + start, r->at - start);
		if (eat(r, '"'))
			break;
		escaped = true;
		buf_add(&r->scratch, *out);
		if (!read_escape(r))
			return (false);
	}
	if (escaped) {
		buf_add(&r->scratch, *out);
		*out = buf_slice(&r->scratch);
	}
	return (buf_ok(&r->scratch) ? true : no_memory(r));
}

/* Hang ${value} where the next one belongs: the root, an array's end, the name read last. */
static bool
hang(struct reader *r, struct json_object *value)
{
	struct json_object *top;

	if (r->depth == 0) {
		r->root = value;
		return (true);
	}
	top = r->open[r->depth - 1];
	if (json_object_is_type(top, json_type_object)) {
		json_object_get_object(top)->tail->v = value;
	} else if (json_object_array_add(top, value) != 0) {
		json_free((struct json *)value);
		return (no_memory(r));
	}
	return (true);
}

/* As hang(), of a ${value} just made, which is NULL where there was no memory. */
static bool
hang_new(struct reader *r, struct json_object *value)
{
	return (value == NULL ? no_memory(r) : hang(r, value));
}

/* Step over digits and tell how many there were. */
static size_t
skip_digits(struct reader *r)
{
	const size_t start = r->at;

	while (peek(r) >= '0' && peek(r) <= '9')
		r->at++;
	return (r->at - start);
}

/* Read a number (RFC 8259 section 6).  Its text is kept beside its value, which may be rounded. */
static bool
read_number(struct reader *r)
{
	const size_t start = r->at;
	const char *text;

	if (hint_find(r, for_value) != NULL)
		return (wrong_here(r, for_value, ""));
	(void)eat(r, '-');
	if (eat(r, '0')) {
		if (peek(r) >= '0' && peek(r) <= '9')
			return (wrong(r, start, "a number has no zeros in front; remove them"));
	} else if (skip_digits(r) == 0) {
		return (wrong_here(r, none, "a minus sign needs a digit behind it"));
	}
	if (eat(r, '.') && skip_digits(r) == 0)
		return (wrong_here(r, none, "a decimal point needs a digit behind it"));
	if (eat(r, 'e') || eat(r, 'E')) {
		if (!eat(r, '+'))
			(void)eat(r, '-');
		if (skip_digits(r) == 0)
			return (wrong_here(r, none, "an exponent needs a digit"));
	}
	buf_reset(&r->scratch);
	buf_add(&r->scratch, slice_make(r->text.ptr + start, r->at - start));
	text = buf_str(&r->scratch);
	if (!buf_ok(&r->scratch))
		return (no_memory(r));
	return (hang_new(r, json_object_new_double_s(strtod(text, NULL), text)));
}

/* Open the array or object that begins here. */
static bool
read_open(struct reader *r)
{
	const bool is_object = peek(r) == '{';
	struct json_object *box;

	if (r->depth == JSON_DEPTH_MAX)
		return (wrong(r, r->at,
		    "more than " STRING(JSON_DEPTH_MAX) " objects and arrays inside one another"));
	box = is_object ? json_object_new_object() : json_object_new_array_ext(ARRAY_FIRST);
	if (!hang_new(r, box))
		return (false);
	r->at++;
	r->open[r->depth++] = box;
	r->just_opened = true;
	return (true);
}

/* Read a string as a value. */
static bool
read_text(struct reader *r)
{
	struct slice s;

	if (!read_string(r, &s))
		return (false);
	return (hang_new(r, json_object_new_string_len(s.ptr, (int)s.len)));
}

/* Read true, false or null. */
static bool
read_word(struct reader *r)
{
	static const struct slice null = SLICE_LIT("null");
	static const struct slice bools[2] = {SLICE_LIT("false"), SLICE_LIT("true")};
	int i;

	for (i = 0; i < 2; i++) {
		if (slice_starts(rest(r), bools[i])) {
			r->at += bools[i].len;
			return (hang_new(r, json_object_new_boolean(i)));
		}
	}
	if (slice_starts(rest(r), null)) {
		r->at += null.len;
		return (hang(r, NULL));
	}
	return (wrong_here(r, for_value,
	    "a value belongs here: text in double quotes, a number, true, false, null, { or ["));
}

/* Read the value that is next; of a container only how it opens. */
static bool
read_value(struct reader *r)
{
	int c;

	skip_blank(r);
	c = peek(r);
	if (c == '{' || c == '[')
		return (read_open(r));
	if (c == '"')
		return (read_text(r));
	if (c == '-' || (c >= '0' && c <= '9'))
		return (read_number(r));
	return (read_word(r));
}

/* Make the fault one of a repeated ${name}; the way there is each container's last item. */
static bool
name_place(struct reader *r, const char *name)
{
	const struct lh_entry *last;
	struct slice path;
	struct buf b;
	size_t i;

	buf_init(&b, SIZE_MAX / 2);
	for (i = 0; i < r->depth; i++) {
		if (json_object_is_type(r->open[i], json_type_array)) {
			buf_printf(&b, "[%zu]", json_object_array_length(r->open[i]) - 1);
			continue;
		}
		if (i > 0)
			buf_addc(&b, '.');
		last = json_object_get_object(r->open[i])->tail;
		buf_add(&b, slice_of(i + 1 == r->depth ? name : lh_entry_k(last)));
	}
	path = text_utf8_cut(buf_slice(&b), JSON_PATH_MAX - 1);
	r->fault->code = "duplicate";
	memcpy(r->fault->path, path.ptr, path.len);
	if (!buf_ok(&b))
		r->rc = ERR_NOMEM;
	buf_clear(&b);
	return (false);
}

/* Read a member's name and its colon, and put it into the innermost object, as null for now. */
static bool
read_name(struct reader *r)
{
	struct json_object *top = r->open[r->depth - 1];
	const size_t start = r->at;
	const char *name;
	struct slice s;

	if (peek(r) != '"')
		return (wrong_here(r, none, "a name in double quotes belongs here"));
	if (!read_string(r, &s))
		return (false);
	if (s.ptr != r->scratch.ptr)
		buf_add(&r->scratch, s);
	name = buf_str(&r->scratch);
	if (!buf_ok(&r->scratch))
		return (no_memory(r));
	/* Looked up first: adding it again would free the old value without a wipe. */
	if (json_object_object_get_ex(top, name, NULL)) {
		(void)wrong(r, start, "this name is in the object already; keep one of them");
		return (name_place(r, name));
	}
	if (json_object_object_add_ex(top, name, NULL, JSON_C_OBJECT_ADD_KEY_IS_NEW) != 0)
		return (no_memory(r));
	skip_blank(r);
	return (eat(r, ':') ? true : wrong_here(r, none, "a colon is missing behind the name"));
}

/* One step in the innermost container: its end, or its next item. */
static bool
read_item(struct reader *r)
{
	const bool is_object = json_object_is_type(r->open[r->depth - 1], json_type_object);
	const bool first = r->just_opened;
	const char close = is_object ? '}' : ']';
	size_t comma;

	r->just_opened = false;
	skip_blank(r);
	if (eat(r, close)) {
		r->depth--;
		return (true);
	}
	if (!first) {
		comma = r->at;
		if (!eat(r, ','))
			return (wrong_here(r, none,
			    is_object ? "a comma or a closing brace is missing before this"
				      : "a comma or a closing bracket is missing before this"));
		skip_blank(r);
		if (peek(r) == close)
			return (wrong(r, comma,
			    is_object ? "a comma before the closing brace; remove it"
				      : "a comma before the closing bracket; remove it"));
	}
	if (is_object && !read_name(r))
		return (false);
	return (read_value(r));
}

/* Read the whole text. */
static bool
read_all(struct reader *r)
{
	skip_blank(r);
	if (r->at == r->text.len) {
		(void)wrong(r, 0, "");
		snprintf(r->fault->message, sizeof(r->fault->message), "the body is empty");
		return (false);
	}
	if (r->text.len > INT_MAX - 1) /* json-c counts in int */
		return (wrong(r, 0, "the text is too long"));
	if (!read_value(r))
		return (false);
	while (r->depth > 0) {
		if (!read_item(r))
			return (false);
	}
	skip_blank(r);
	if (r->at < r->text.len)
		return (
		    wrong_here(r, none, "something follows the JSON value; send one value only"));
	return (true);
}

/* Ours of json-c's, json-c's of ours. */
static struct json *
wrap(struct json_object *o)
{
	return (o == NULL ? &null_value : (struct json *)o);
}

static struct json_object *
unwrap(const struct json *v)
{
	return (v == &null_value ? NULL : (struct json_object *)v);
}

enum err
json_parse(struct slice text, struct json **out, struct json_fault *fault)
{
	struct reader r = {.text = text, .rc = ERR_INTERNAL, .fault = fault};

	*out = NULL;
	buf_init(&r.scratch, SIZE_MAX / 2);
	if (read_all(&r)) {
		*out = wrap(r.root);
		r.root = NULL;
		r.rc = ERR_OK;
	}
	json_free(wrap(r.root));
	buf_clear(&r.scratch);
	return (r.rc);
}

/* Overwrite the names, strings and numbers' texts below ${o}.  As deep as JSON_DEPTH_MAX. */
static void
wipe(struct json_object *o)
{
	struct lh_entry *entry;
	size_t i, n;

	switch (json_object_get_type(o)) {
	case json_type_object:
		lh_foreach(json_object_get_object(o), entry)
		{
			wipe((struct json_object *)lh_entry_v(entry));
			/* const in json-c's eyes, but its own copy, hashed no more: freeing
			 * compares nothing. */
			mem_wipe(lh_entry_k(entry), strlen(lh_entry_k(entry)));
		}
		break;
	case json_type_array:
		n = json_object_array_length(o);
		for (i = 0; i < n; i++)
			wipe(json_object_array_get_idx(o, i));
		break;
	case json_type_string:
		/* const so that nobody changes a shared value; this one has no other holder. */
		mem_wipe((char *)json_object_get_string(o), (size_t)json_object_get_string_len(o));
		break;
	case json_type_double:
		mem_wipe(json_object_get_userdata(o), strlen(json_object_get_userdata(o)));
		break;
	default: break;
	}
}

void
json_free(struct json *root)
{
	struct json_object *o = unwrap(root);

	wipe(o);
	json_object_put(o);
}

enum json_type
json_type(const struct json *v)
{
	static const enum json_type ours[] = {
	    [json_type_null] = JSON_NULL,
	    [json_type_boolean] = JSON_BOOL,
	    [json_type_double] = JSON_NUMBER,
	    [json_type_int] = JSON_NUMBER,
	    [json_type_object] = JSON_OBJECT,
	    [json_type_array] = JSON_ARRAY,
	    [json_type_string] = JSON_STRING,
	};

	return (ours[json_object_get_type(unwrap(v))]);
}

struct slice
json_string(const struct json *v)
{
	struct json_object *o = unwrap(v);

	if (!json_object_is_type(o, json_type_string))
		return (slice_make(NULL, 0));
	return (slice_make(json_object_get_string(o), (size_t)json_object_get_string_len(o)));
}

bool
json_bool(const struct json *v)
{
	struct json_object *o = unwrap(v);

	return (json_object_is_type(o, json_type_boolean) && json_object_get_boolean(o));
}

enum err
json_int(const struct json *v, int64_t min, int64_t max, int64_t *out)
{
	double d;

	if (v == NULL || json_type(v) != JSON_NUMBER)
		return (ERR_INVALID);
	d = json_object_get_double(unwrap(v));
	if (!(d >= (double)min && d <= (double)max) || (double)(int64_t)d != d)
		return (ERR_INVALID);
	*out = (int64_t)d;
	return (ERR_OK);
}

double
json_double(const struct json *v)
{
	if (v == NULL || json_type(v) != JSON_NUMBER)
		return (NAN);
	return (json_object_get_double(unwrap(v)));
}

/* json_object_new_double_s() keeps the text beside the value. */
static struct slice
number_text(struct json_object *o)
{
	return (slice_of(json_object_get_userdata(o)));
}

struct slice
json_number(const struct json *v)
{
	struct json_object *o = unwrap(v);

	return (json_object_is_type(o, json_type_double) ? number_text(o) : slice_make(NULL, 0));
}

bool
json_equal(const struct json *a, const struct json *b)
{
	if (a == NULL || b == NULL)
		return (a == b);
	return (json_object_equal(unwrap(a), unwrap(b)) != 0);
}

struct json *
json_get(const struct json *object, const char *name)
{
	struct json_object *o = unwrap(object), *found;

	/* json-c asserts the type. */
	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, name, &found))
		return (NULL);
	return (wrap(found));
}

struct json *
json_at(const struct json *array, size_t i)
{
	struct json_object *o = unwrap(array);

	if (!json_object_is_type(o, json_type_array) || i >= json_object_array_length(o))
		return (NULL);
	return (wrap(json_object_array_get_idx(o, i)));
}

size_t
json_len(const struct json *v)
{
	struct json_object *o = unwrap(v);

	if (json_object_is_type(o, json_type_array))
		return (json_object_array_length(o));
	if (json_object_is_type(o, json_type_object))
		return ((size_t)json_object_object_length(o));
	return (0);
}

void
json_each(const struct json *object,
    bool (*visit)(void *ctx, struct slice name, struct json *value), void *ctx)
{
	struct json_object *o = unwrap(object);
	struct lh_entry *entry;

	if (!json_object_is_type(o, json_type_object))
		return;
	lh_foreach(json_object_get_object(o), entry)
	{
		if (!visit(ctx, slice_of(lh_entry_k(entry)), wrap(lh_entry_v(entry))))
			return;
	}
}

/* Append the escape of the byte ${c}, which may not stand for itself. */
static void
put_escape(struct buf *b, unsigned char c)
{
	static const char letters[0x20] = {
	    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	if (c >= 0x20)
		buf_printf(b, "\\%c", c);
	else if (letters[c] != '\0')
		buf_printf(b, "\\%c", letters[c]);
	else
		buf_printf(b, "\\u%04x", c);
}

void
json_put(struct buf *b, struct slice s)
{
	size_t run = 0, n; /* run: bytes at the front of ${s} that stand for themselves */
	uint32_t codepoint = 0;

	buf_addc(b, '"');
	while ((run += plain_run(slice_skip(s, run))) < s.len) {
		n = text_utf8_next(slice_skip(s, run), &codepoint);
		if (n > 0 && codepoint >= 0x20 && codepoint != '"' && codepoint != '\\') {
			run += n;
			continue;
		}
		buf_add(b, slice_make(s.ptr, run));
		if (n == 0)
			put_utf8(b, 0xfffd);
		else
			put_escape(b, (unsigned char)codepoint);
		s = slice_skip(s, run + 1);
		run = 0;
	}
	buf_add(b, slice_make(s.ptr, run));
	buf_addc(b, '"');
}

static void write_value(struct buf *b, struct json_object *o);

static void
write_object(struct buf *b, struct json_object *o)
{
	struct lh_entry *entry;
	char before = '{';

	lh_foreach(json_object_get_object(o), entry)
	{
		buf_addc(b, before);
		json_put(b, slice_of(lh_entry_k(entry)));
		buf_addc(b, ':');
		write_value(b, (struct json_object *)lh_entry_v(entry));
		before = ',';
	}
	buf_add(b, slice_of(before == '{' ? "{}" : "}"));
}

static void
write_array(struct buf *b, struct json_object *o)
{
	size_t i, n = json_object_array_length(o);

	buf_addc(b, '[');
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(b, ',');
		write_value(b, json_object_array_get_idx(o, i));
	}
	buf_addc(b, ']');
}

static void
write_string(struct buf *b, struct json_object *o)
{
	json_put(b, json_string(wrap(o)));
}

static void
write_number(struct buf *b, struct json_object *o)
{
	buf_add(b, number_text(o));
}

static void
write_bool(struct buf *b, struct json_object *o)
{
	buf_add(b, slice_of(json_object_get_boolean(o) ? "true" : "false"));
}

static void
write_null(struct buf *b, struct json_object *o)
{
	(void)o;
	buf_add(b, slice_of("null"));
}

/* As deep as JSON_DEPTH_MAX. */
static void
write_value(struct buf *b, struct json_object *o)
{
	static void (*const writers[JSON__MAX])(struct buf * b, struct json_object * o) = {
	    [JSON_NULL] = write_null,
	    [JSON_BOOL] = write_bool,
	    [JSON_NUMBER] = write_number,
	    [JSON_STRING] = write_string,
	    [JSON_ARRAY] = write_array,
	    [JSON_OBJECT] = write_object,
	};

	writers[json_type(wrap(o))](b, o);
}

void
json_write(struct buf *b, const struct json *v)
{
	write_value(b, unwrap(v));
}
