/* The JSON parser: what it takes is what RFC 8259 and the contract let pass, and it survives being
 * written and read again. */
#include "base/json.h"

#include <string.h>

#include "fuzz.h"

#define OUT_MAX (8 * 1024 * 1024) /* an input byte becomes at most six */

/* How many containers stand open in ${s} at the most, as far as the brackets outside of strings
 * tell. */
static size_t
depth_of(struct slice s)
{
	size_t depth = 0, deepest = 0, i;
	bool in_string = false;

	for (i = 0; i < s.len; i++) {
		if (in_string && s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			in_string = !in_string;
		else if (!in_string && strchr("[{", s.ptr[i]) != NULL)
			deepest = ++depth > deepest ? depth : deepest;
		else if (!in_string && strchr("]}", s.ptr[i]) != NULL)
			depth--;
	}
	return (deepest);
}

/* No text of JSON holds these bytes, wherever they stand. */
static bool
has_raw_control(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if ((uint8_t)s.ptr[i] < 0x20 && memchr("\t\n\r", s.ptr[i], 3) == NULL)
			return (true);
	}
	return (false);
}

/* What must be true of a text that was taken. */
static void
check_taken(struct slice text, const struct json *tree)
{
	struct json_fault fault;
	struct json *again;
	struct buf one, two;

	MUST(fuzz_is_utf8(text) && !has_raw_control(text));
	MUST(depth_of(text) <= JSON_DEPTH_MAX);
	buf_init(&one, OUT_MAX);
	buf_init(&two, OUT_MAX);
	json_write(&one, tree);
	MUST(buf_ok(&one) && fuzz_is_utf8(buf_slice(&one)));
	MUST(json_parse(buf_slice(&one), &again, &fault) == ERR_OK);
	MUST(json_equal(tree, again));
	json_write(&two, again);
	MUST(slice_eq(buf_slice(&one), buf_slice(&two)));
	json_free(again);
	buf_clear(&one);
	buf_clear(&two);
}

/* What must be true of a refusal: it says what, in words, and a place that there is. */
static void
check_fault(struct slice text, const struct json_fault *fault)
{
	MUST(strcmp(fault->code, "json") == 0 || strcmp(fault->code, "duplicate") == 0);
	MUST(memchr(fault->path, '\0', sizeof(fault->path)) != NULL);
	MUST(memchr(fault->message, '\0', sizeof(fault->message)) != NULL);
	MUST(fuzz_is_utf8(slice_of(fault->path)) && fuzz_is_utf8(slice_of(fault->message)));
	MUST(fault->message[0] != '\0');
	MUST(fault->line >= 1 && fault->line <= text.len + 1);
	MUST(fault->column >= 1 && fault->column <= text.len + 1);
}

/* Any bytes at all become a JSON string that is one. */
static void
check_put(struct slice text)
{
	struct json_fault fault;
	struct json *tree;
	struct buf b;

	if (memchr(text.ptr, '\0', text.len) != NULL)
		return; /* a NUL is one that no string of ours may hold */
	buf_init(&b, OUT_MAX);
	json_put(&b, text);
	MUST(buf_ok(&b));
	MUST(json_parse(buf_slice(&b), &tree, &fault) == ERR_OK);
	MUST(fuzz_is_utf8(json_string(tree)));
	MUST(!fuzz_is_utf8(text) || slice_eq(json_string(tree), text));
	json_free(tree);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size);
	struct json_fault fault;
	struct json *tree = NULL;

	memset(&fault, 0, sizeof(fault));
	if (json_parse(text, &tree, &fault) == ERR_OK) {
		check_taken(text, tree);
		json_free(tree);
	} else {
		check_fault(text, &fault);
	}
	check_put(text);
	return (0);
}
