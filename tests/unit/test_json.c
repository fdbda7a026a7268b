/* base/json against its contract: what RFC 8259 allows is read right, all else is refused in words.
 */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

#define TEXT(s)                    \
	{                          \
		(s), sizeof(s) - 1 \
	}
#define MANY     50000
#define BODY_MAX (256 * 1024)

/* Parse a copy of ${text} that ends where its memory ends, so that a checker sees a read behind it.
 */
static enum err
parse(struct slice text, struct json **out, struct json_fault *fault)
{
	char *copy = malloc(text.len == 0 ? 1 : text.len);
	enum err rc;

	assert_non_null(copy);
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	memset(fault, 0x5a, sizeof(*fault));
	rc = json_parse(slice_make(copy, text.len), out, fault);
	free(copy);
	return (rc);
}

/* A good text's tree. */
static struct json *
good(struct slice text)
{
	struct json_fault fault;
	struct json *v = NULL;

	if (parse(text, &v, &fault) != ERR_OK)
		fail_msg("%.60s: refused, %s", text.ptr, fault.message);
	CHECK(text.ptr, v != NULL);
	return (v);
}

static const struct {
	struct slice text;
	enum json_type type;
} valid[] = {
    {TEXT("null"), JSON_NULL},
    {TEXT("true"), JSON_BOOL},
    {TEXT("false"), JSON_BOOL},
    {TEXT("\"\""), JSON_STRING},
    {TEXT("\"a\""), JSON_STRING},
    {TEXT(" \t\r\n\"a\" \t\r\n"), JSON_STRING},
    {TEXT("[]"), JSON_ARRAY},
    {TEXT("{}"), JSON_OBJECT},
    {TEXT("[ ]"), JSON_ARRAY},
    {TEXT("{\n}"), JSON_OBJECT},
    {TEXT("[[],[[]],{}]"), JSON_ARRAY},
    {TEXT("[null,1,\"1\",{}]"), JSON_ARRAY},
    {TEXT("[\t1\n,\r2 ]"), JSON_ARRAY},
    {TEXT("{\"\":0}"), JSON_OBJECT},
    {TEXT("{ \"a\" : 1 , \"b\" : 2 }"), JSON_OBJECT},
    {TEXT("{\"a\":null}"), JSON_OBJECT},
    {TEXT("{\"a\":{\"a\":{\"a\":1}}}"), JSON_OBJECT},
    {TEXT("[{\"a\":1},{\"a\":1}]"), JSON_ARRAY},
    {TEXT("{\"a\":1,\"A\":1,\"a \":1}"), JSON_OBJECT},
    {TEXT("0"), JSON_NUMBER},
    {TEXT("-0"), JSON_NUMBER},
    {TEXT("-0.0"), JSON_NUMBER},
    {TEXT("10"), JSON_NUMBER},
    {TEXT("-1"), JSON_NUMBER},
    {TEXT("1.0"), JSON_NUMBER},
    {TEXT("0.00001"), JSON_NUMBER},
    {TEXT("1e1"), JSON_NUMBER},
    {TEXT("1E1"), JSON_NUMBER},
    {TEXT("1e+1"), JSON_NUMBER},
    {TEXT("1e-1"), JSON_NUMBER},
    {TEXT("0e0"), JSON_NUMBER},
    {TEXT("0e+01"), JSON_NUMBER},
    {TEXT("1.5e0010"), JSON_NUMBER},
    {TEXT("1e400"), JSON_NUMBER},
    {TEXT("-1e400"), JSON_NUMBER},
    {TEXT("1e-400"), JSON_NUMBER},
    {TEXT("123e999999999999999999999"), JSON_NUMBER},
    {TEXT("9223372036854775808"), JSON_NUMBER},
    {TEXT("-9223372036854775809"), JSON_NUMBER},
    {TEXT("18446744073709551616"), JSON_NUMBER},
    {TEXT("[100000000000000000000000000000000000000000000000]"), JSON_ARRAY},
    {TEXT("0.1234567890123456789012345678901234567890"), JSON_NUMBER},
    {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\""), JSON_STRING},
    {TEXT("\"//\""), JSON_STRING},
    {TEXT("\"[{,'#\""), JSON_STRING},
    {TEXT("\"\x7f\""), JSON_STRING},
    {TEXT("\"\xc2\x80\""), JSON_STRING},
    {TEXT("\"\xe2\x80\xa8\""), JSON_STRING},
    {TEXT("\"\xed\x9f\xbf\""), JSON_STRING},
    {TEXT("\"\xef\xbb\xbf\""), JSON_STRING}, /* U+FEFF inside a string is a character */
    {TEXT("\"\xef\xbf\xbf\""), JSON_STRING},
    {TEXT("\"\xf4\x8f\xbf\xbf\""), JSON_STRING},
    {TEXT("\"\\ud83d\\ude00\""), JSON_STRING},
    {TEXT("\"\\uD83D\\uDE00\""), JSON_STRING},
    {TEXT("\"\\\\u0000\""), JSON_STRING},
    {TEXT("\"\\ufffe\""), JSON_STRING},
    {TEXT("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"), JSON_ARRAY}, /* 16 */
    {TEXT("[[[[[[[[[[[[[[[{\"a\":1}]]]]]]]]]]]]]]]"), JSON_ARRAY},
    {TEXT("[[[[[[[[[[[[[[[[],[]]]]]]]]]]]]]]],[[]]]"), JSON_ARRAY},
};

static void
test_valid(void **state)
{
	struct json *v;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(valid); i++) {
		v = good(valid[i].text);
		CHECK(valid[i].text.ptr, json_type(v) == valid[i].type);
		json_free(v);
	}
}

/* ${words}: what the message must say. */
static const struct {
	struct slice text;
	size_t line, column;
	const char *words;
} invalid[] = {
    /* nothing, too little */
    {TEXT(""), 1, 1, "the body is empty"},
    {TEXT(" "), 1, 1, "the body is empty"},
    {TEXT("\r\n\t \n"), 1, 1, "the body is empty"},
    {TEXT("["), 1, 2, "ends"},
    {TEXT("{"), 1, 2, "ends"},
    {TEXT("[1"), 1, 3, "ends"},
    {TEXT("[1,"), 1, 4, "ends"},
    {TEXT("[1,\n"), 2, 1, "ends"},
    {TEXT("{\"a\""), 1, 5, "ends"},
    {TEXT("{\"a\":"), 1, 6, "ends"},
    {TEXT("{\"a\":1"), 1, 7, "ends"},
    {TEXT("{\"a\":1,"), 1, 8, "ends"},
    {TEXT("\""), 1, 2, "ends"},
    {TEXT("\"a"), 1, 3, "ends"},
    {TEXT("\"\\"), 1, 3, "ends"},
    {TEXT("\"\\\""), 1, 4, "ends"},
    {TEXT("-"), 1, 2, "ends"},
    {TEXT("1."), 1, 3, "ends"},
    {TEXT("1e"), 1, 3, "ends"},
    {TEXT("1e+"), 1, 4, "ends"},
    {TEXT("tru"), 1, 1, "value"},
    {TEXT("nul"), 1, 1, "value"},
    {TEXT("n"), 1, 1, "value"},
    /* too much */
    {TEXT("1 2"), 1, 3, "follows"},
    {TEXT("{} {}"), 1, 4, "follows"},
    {TEXT("[]]"), 1, 3, "follows"},
    {TEXT("{}}"), 1, 3, "follows"},
    {TEXT("{},"), 1, 3, "follows"},
    {TEXT("\"a\"x"), 1, 4, "follows"},
    {TEXT("truetrue"), 1, 5, "follows"},
    {TEXT("true1"), 1, 5, "follows"},
    {TEXT("null\0"), 1, 5, "follows"},
    {TEXT("{}\n\nx"), 3, 1, "follows"},
    {TEXT("1//"), 1, 2, "comment"},
    {TEXT("{}#x"), 1, 3, "comment"},
    {TEXT("1\xc2\xa0"), 1, 2, "blank"},
    /* separators */
    {TEXT("[1,]"), 1, 3, "a comma before the closing bracket"},
    {TEXT("[1 , ]"), 1, 4, "a comma before the closing bracket"},
    {TEXT("{\"a\":1,}"), 1, 7, "a comma before the closing brace"},
    {TEXT("{\"a\":1\n  ,\n}"), 2, 3, "a comma before the closing brace"},
    {TEXT("[,1]"), 1, 2, "missing before this comma"},
    {TEXT("[1,,2]"), 1, 4, "missing before this comma"},
    {TEXT("[,]"), 1, 2, "missing before this comma"},
    {TEXT("{,}"), 1, 2, "name"},
    {TEXT("{\"a\":1,,\"b\":2}"), 1, 8, "name"},
    {TEXT("[1 2]"), 1, 4, "a comma or a closing bracket is missing"},
    {TEXT("[\"a\" \"b\"]"), 1, 6, "a comma or a closing bracket is missing"},
    {TEXT("[1:2]"), 1, 3, "a comma or a closing bracket is missing"},
    {TEXT("[1;2]"), 1, 3, "a comma or a closing bracket is missing"},
    {TEXT("{\"a\":1 \"b\":2}"), 1, 8, "a comma or a closing brace is missing"},
    {TEXT("{\"a\":1\n\"b\":2}"), 2, 1, "a comma or a closing brace is missing"},
    {TEXT("[1}"), 1, 3, "a comma or a closing bracket is missing"},
    {TEXT("{\"a\":1]"), 1, 7, "a comma or a closing brace is missing"},
    {TEXT("[}"), 1, 2, "close"},
    {TEXT("{]"), 1, 2, "name"},
    {TEXT("]"), 1, 1, "close"},
    {TEXT("}"), 1, 1, "close"},
    {TEXT(","), 1, 1, "comma"},
    {TEXT(":"), 1, 1, "value"},
    {TEXT("{\"a\"}"), 1, 5, "colon"},
    {TEXT("{\"a\" 1}"), 1, 6, "colon"},
    {TEXT("{\"a\",1}"), 1, 5, "colon"},
    {TEXT("{\"a\"=1}"), 1, 5, "colon"},
    {TEXT("{\"a\":}"), 1, 6, "missing"},
    {TEXT("{\"a\"::1}"), 1, 6, "value"},
    {TEXT("{\"a\":,\"b\":1}"), 1, 6, "missing before this comma"},
    {TEXT("{:1}"), 1, 2, "name"},
    {TEXT("{1:1}"), 1, 2, "name in double quotes"},
    {TEXT("{null:1}"), 1, 2, "name in double quotes"},
    {TEXT("{a:1}"), 1, 2, "name in double quotes"},
    {TEXT("{[]:1}"), 1, 2, "name in double quotes"},
    {TEXT("{\"a\":1,b:2}"), 1, 8, "name in double quotes"},
    /* quotes, comments, words */
    {TEXT("{'a':1}"), 1, 2, "double quotes"},
    {TEXT("['a']"), 1, 2, "double quotes"},
    {TEXT("'a'"), 1, 1, "double quotes"},
    {TEXT("{\"a\":\n\n        'x'}"), 3, 9, "double quotes"},
    {TEXT("[\xe2\x80\x9c"
	  "a\xe2\x80\x9d]"),
	1, 2, "straight double quotes"},
    {TEXT("{\xe2\x80\x98"
	  "a\xe2\x80\x99:1}"),
	1, 2, "straight double quotes"},
    {TEXT("// x\n1"), 1, 1, "comment"},
    {TEXT("/**/1"), 1, 1, "comment"},
    {TEXT("[1,/* */2]"), 1, 4, "comment"},
    {TEXT("[1 // x\n]"), 1, 4, "comment"},
    {TEXT("{# x\n}"), 1, 2, "comment"},
    {TEXT("{\"a\"/**/:1}"), 1, 5, "comment"},
    {TEXT("True"), 1, 1, "lower case"},
    {TEXT("[FALSE]"), 1, 2, "lower case"},
    {TEXT("NULL"), 1, 1, "lower case"},
    {TEXT("[None]"), 1, 2, "null"},
    {TEXT("NaN"), 1, 1, "NaN"},
    {TEXT("[Infinity]"), 1, 2, "Infinity"},
    {TEXT("[-Infinity]"), 1, 2, "Infinity"},
    {TEXT("[undefined]"), 1, 2, "undefined"},
    {TEXT("nan"), 1, 1, "value"},
    {TEXT("-nan"), 1, 2, "minus"},
    {TEXT("abc"), 1, 1, "value"},
    {TEXT("*"), 1, 1, "value"},
    {TEXT("a=1&b=2"), 1, 1, "value"},
    {TEXT("\0"), 1, 1, "value"},
    {TEXT("\\u0031"), 1, 1, "value"},
    {TEXT("\xef\xbb\xbf{}"), 1, 1, "byte-order mark"},
    {TEXT(" \xef\xbb\xbf{}"), 1, 2, "byte-order mark"},
    {TEXT("\xff\xfe{\0}\0"), 1, 1, "UTF-8"}, /* UTF-16 with a mark */
    {TEXT("{\0\"\0"), 1, 2, "name"},         /* UTF-16 without */
    {TEXT("[\f1]"), 1, 2, "blank"},
    {TEXT("[\v1]"), 1, 2, "blank"},
    {TEXT("[1,\xc2\xa0"
	  "2]"),
	1, 4, "blank"},
    {TEXT("\xe5"), 1, 1, "UTF-8"},
    {TEXT("[\xe9]"), 1, 2, "UTF-8"},
    {TEXT("[1\xff]"), 1, 3, "UTF-8"},
    /* numbers */
    {TEXT("01"), 1, 1, "zeros in front"},
    {TEXT("[-01]"), 1, 2, "zeros in front"},
    {TEXT("[00]"), 1, 2, "zeros in front"},
    {TEXT("[012.5]"), 1, 2, "zeros in front"},
    {TEXT("+1"), 1, 1, "plus"},
    {TEXT("[.5]"), 1, 2, "before its point"},
    {TEXT("[-.5]"), 1, 3, "minus"},
    {TEXT("[-]"), 1, 3, "minus"},
    {TEXT("[--1]"), 1, 3, "minus"},
    {TEXT("[- 1]"), 1, 3, "minus"},
    {TEXT("[+-1]"), 1, 2, "plus"},
    {TEXT("[1.]"), 1, 4, "decimal point"},
    {TEXT("[1.e1]"), 1, 4, "decimal point"},
    {TEXT("[1..2]"), 1, 4, "decimal point"},
    {TEXT("[1.2.3]"), 1, 5, "comma"},
    {TEXT("[1e]"), 1, 4, "exponent"},
    {TEXT("[1e+]"), 1, 5, "exponent"},
    {TEXT("[1e+-1]"), 1, 5, "exponent"},
    {TEXT("[1eE1]"), 1, 4, "exponent"},
    {TEXT("[1e1.5]"), 1, 5, "comma"},
    {TEXT("[0x10]"), 1, 3, "comma"},
    {TEXT("[1_000]"), 1, 3, "comma"},
    {TEXT("[1 000]"), 1, 4, "comma"},
    {TEXT("[1L]"), 1, 3, "comma"},
    {TEXT("[\xef\xbc\x91]"), 1, 2, "value"}, /* a full-width digit */
    /* strings */
    {TEXT("\"a\nb\""), 1, 3, "line break"},
    {TEXT("\"a\rb\""), 1, 3, "line break"},
    {TEXT("\"a\tb\""), 1, 3, "control"},
    {TEXT("\"\x01\""), 1, 2, "control"},
    {TEXT("\"\x1f\""), 1, 2, "control"},
    {TEXT("\"\f\""), 1, 2, "control"},
    {TEXT("\"a\0b\""), 1, 3, "control"},
    {TEXT("{\"a\0b\":1}"), 1, 4, "control"},
    {TEXT("\"\\x41\""), 1, 2, "backslash"},
    {TEXT("\"\\'\""), 1, 2, "backslash"},
    {TEXT("\"\\0\""), 1, 2, "backslash"},
    {TEXT("\"\\\0\""), 1, 2, "backslash"},
    {TEXT("\"\\a\""), 1, 2, "backslash"},
    {TEXT("\"\\N\""), 1, 2, "backslash"},
    {TEXT("\"\\\n\""), 1, 2, "backslash"},
    {TEXT("\"C:\\Temp\""), 1, 4, "backslash"},
    {TEXT("\"\\\xc3\xa9\""), 1, 2, "backslash"},
    {TEXT("\"\\U0041\""), 1, 2, "backslash"},
    {TEXT("\"\\u\""), 1, 2, "four hex digits"},
    {TEXT("\"\\u1\""), 1, 2, "four hex digits"},
    {TEXT("\"\\u123\""), 1, 2, "four hex digits"},
    {TEXT("\"\\u123"), 1, 2, "four hex digits"},
    {TEXT("\"\\u12g4\""), 1, 2, "four hex digits"},
    {TEXT("\"\\u 123\""), 1, 2, "four hex digits"},
    {TEXT("\"\\u+123\""), 1, 2, "four hex digits"},
    {TEXT("\"\\u-001\""), 1, 2, "four hex digits"},
    {TEXT("\"ab\\u0000\""), 1, 4, "\\u0000"},
    {TEXT("{\"\\u0000\":1}"), 1, 3, "\\u0000"},
    {TEXT("\"\\ud800\""), 1, 2, "surrogate"},
    {TEXT("\"\\udbff\""), 1, 2, "surrogate"},
    {TEXT("\"\\udc00\""), 1, 2, "surrogate"},
    {TEXT("\"\\udfff\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83dx\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83d\\n\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83d\\u0041\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83d\\ud83d\\ude00\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83d\\ue000\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83d\\udbff\""), 1, 2, "surrogate"},
    {TEXT("\"\\udc00\\udc00\""), 1, 2, "surrogate"},
    {TEXT("\"\\ud83d\\u\""), 1, 2, "surrogate"},
    {TEXT("\"\\ude00\\ud83d\""), 1, 2, "surrogate"},
    {TEXT("{\"\\ud83d\":1}"), 1, 3, "surrogate"},
    {TEXT("\"\x80\""), 1, 2, "UTF-8"},
    {TEXT("\"\xff\""), 1, 2, "UTF-8"},
    {TEXT("\"\xc0\x80\""), 1, 2, "UTF-8"},         /* overlong */
    {TEXT("\"\xc0\xaf\""), 1, 2, "UTF-8"},         /* overlong */
    {TEXT("\"\xe0\x80\xaf\""), 1, 2, "UTF-8"},     /* overlong */
    {TEXT("\"\xf0\x80\x80\xaf\""), 1, 2, "UTF-8"}, /* overlong */
    {TEXT("\"\xed\xa0\x80\""), 1, 2, "UTF-8"},     /* a surrogate */
    {TEXT("\"\xf4\x90\x80\x80\""), 1, 2, "UTF-8"}, /* over U+10FFFF */
    {TEXT("\"\xf8\x88\x80\x80\x80\""), 1, 2, "UTF-8"},
    {TEXT("\"a\xc3\""), 1, 3, "UTF-8"},
    {TEXT("\"\xe2\x82\""), 1, 2, "UTF-8"},
    {TEXT("\"\xe2\x82"), 1, 2, "UTF-8"},
    {TEXT("\"\xe9t\xe9\""), 1, 2, "UTF-8"}, /* Latin-1 */
    {TEXT("{\"\xc0\x80\":1}"), 1, 3, "UTF-8"},
    {TEXT("\"\\n\xff\""), 1, 4, "UTF-8"},
    /* columns count bytes */
    {TEXT("[\"\xc3\xa9\",x]"), 1, 7, "value"},
    {TEXT("{\r\n\"a\":x}"), 2, 5, "value"},
    /* 17 open containers */
    {TEXT("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), 1, 17, "more than 16"},
    {TEXT("[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]"), 1, 17, "more than 16"},
    {TEXT("[[[[[[[[[[[[[[[[1,[]]]]]]]]]]]]]]]]]"), 1, 19, "more than 16"},
};

static void
test_invalid(void **state)
{
	struct json_fault f;
	struct json *v;
	char row[800], place[64];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(invalid); i++) {
		v = (struct json *)&f;
		snprintf(row, sizeof(row), "row %zu, %s", i, invalid[i].text.ptr);
		CHECK(row, parse(invalid[i].text, &v, &f) == ERR_INVALID);
		CHECK(row, v == NULL);
		CHECK(row, strcmp(f.code, "json") == 0);
		CHECK(row, f.path[0] == '\0');
		snprintf(
		    row, sizeof(row), "row %zu, %s: said %s", i, invalid[i].text.ptr, f.message);
		CHECK(row, f.line == invalid[i].line && f.column == invalid[i].column);
		CHECK(row, strstr(f.message, invalid[i].words) != NULL);
		CHECK(row,
		    strlen(f.message) < sizeof(f.message) - 20); /* not cut, even by big numbers */
		snprintf(place, sizeof(place), "line %zu, column %zu: ", f.line, f.column);
		if (strcmp(invalid[i].words, "the body is empty") != 0)
			CHECK(row, strstr(f.message, place) == f.message);
	}
}

static const struct {
	struct slice text;
	const char *path;
	size_t line, column;
} repeated[] = {
    {TEXT("{\"a\":1,\"a\":1}"), "a", 1, 8},
    {TEXT("{\"a\":1,\"\\u0061\":2}"), "a", 1, 8},
    {TEXT("{\"\\u0061\":1,\"b\":0,\"a\":2}"), "a", 1, 19},
    {TEXT("{\"\\/\":1,\"/\":2}"), "/", 1, 9},
    {TEXT("{\"\":1,\n \"\":2}"), "", 2, 2},
    {TEXT("{\"\xc3\xa9\":1,\"\\u00E9\":2}"), "\xc3\xa9", 1, 9},
    {TEXT("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"), "\xf0\x9f\x98\x80", 1, 11},
    {TEXT("{\"credentials\":{\"webhookUrl\":\"x\",\"webhookUrl\":\"y\"}}"),
	"credentials.webhookUrl", 1, 34},
    {TEXT("{\"list\":[0,{},{\"x\":1,\"x\":2}]}"), "list[2].x", 1, 22},
    {TEXT("[[{\"x\":1,\"x\":2}]]"), "[0][0].x", 1, 10},
    {TEXT("{\"a\":{\"a\":1},\"a\":2}"), "a", 1, 14},
    {TEXT("{\"a\":{\"b\":[{}]},\"c\":{\"d\":[1,2],\"d\":null}}"), "c.d", 1, 32},
    {TEXT("{\"a\":{\"\\u0062\":{\"c\":1,\"c\":2}}}"), "a.b.c", 1, 23},
    {TEXT("{\"a\":null,\"a\":null}"), "a", 1, 11},
    {TEXT("{\"a\":1,\"a\":1,}"), "a", 1, 8},
};

static void
test_repeated(void **state)
{
	struct json_fault f;
	struct json *v;
	char row[800];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(repeated); i++) {
		CHECK(repeated[i].text.ptr, parse(repeated[i].text, &v, &f) == ERR_INVALID);
		snprintf(row, sizeof(row), "%s: said %s at %s, %s", repeated[i].text.ptr, f.code,
		    f.path, f.message);
		CHECK(row, v == NULL);
		CHECK(row, strcmp(f.code, "duplicate") == 0);
		CHECK(row, strcmp(f.path, repeated[i].path) == 0);
		CHECK(row, f.line == repeated[i].line && f.column == repeated[i].column);
	}
}

/* A path that does not fit is cut between two characters. */
static void
test_long_path(void **state)
{
	struct json_fault f;
	struct json *v;
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 10000);
	buf_add(&b, slice_of("{\"xy\":{\""));
	for (i = 0; i < 200; i++)
		buf_add(&b, slice_of("\xc3\xa9"));
	buf_add(&b, slice_of("\":{\"a\":1,\"a\":2}}}"));
	assert_int_equal(parse(buf_slice(&b), &v, &f), ERR_INVALID);
	assert_string_equal(f.code, "duplicate");
	assert_int_equal(strlen(f.path), JSON_PATH_MAX - 1);
	assert_memory_equal(f.path, "xy.\xc3\xa9", 5);
	assert_int_not_equal(text_utf8_count(slice_of(f.path)), SIZE_MAX);
	buf_clear(&b);

	buf_add(&b, slice_of("{\"xyz\":{\""));
	for (i = 0; i < 200; i++)
		buf_add(&b, slice_of("\xc3\xa9"));
	buf_add(&b, slice_of("\":{\"a\":1,\"a\":2}}}"));
	assert_int_equal(parse(buf_slice(&b), &v, &f), ERR_INVALID);
	assert_int_equal(strlen(f.path), JSON_PATH_MAX - 2);
	assert_int_not_equal(text_utf8_count(slice_of(f.path)), SIZE_MAX);
	buf_clear(&b);
}

/* No message shows what was sent. */
static void
test_quotes_nothing(void **state)
{
	static const char *const texts[] = {"{\"canary\":canary}", "\"canary\ncanary\"",
	    "{\"canary\":1,\"canary\":2}", "canary", "[\"canary\"canary]", "{canary:1}",
	    "\"canary\\canary\"", "\"\\ucanary\"", "{} canary", "'canary'", "[1,]canary"};
	struct json_fault f;
	struct json *v;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(texts); i++) {
		CHECK(texts[i], parse(slice_of(texts[i]), &v, &f) == ERR_INVALID);
		CHECK(texts[i], strstr(f.message, "can") == NULL);
	}
}

static const struct {
	const char *text;
	struct slice value;
} strings[] = {
    {"\"\"", TEXT("")},
    {"\"abc\"", TEXT("abc")},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", TEXT("\"\\/\b\f\n\r\t")},
    {"\"a\\u0001b\"", TEXT("a\001b")},
    {"\"\\u007f\\u0080\"", TEXT("\x7f\xc2\x80")},
    {"\"\\u07ff\\u0800\"", TEXT("\xdf\xbf\xe0\xa0\x80")},
    {"\"\\ud7ff\\ue000\\uFFFF\"", TEXT("\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf")},
    {"\"\\ud800\\udc00\\udbff\\udfff\"", TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
    {"\"\\ud83d\\ude00\"", TEXT("\xf0\x9f\x98\x80")},
    {"\"x\\u00e9y\xc3\xa9z\"", TEXT("x\xc3\xa9y\xc3\xa9z")},
    {"\"\\\\u0041\"", TEXT("\\u0041")},
    {"\"https:\\/\\/a\\/b\"", TEXT("https://a/b")},
    {"\"a string of more than thirty-two bytes, \\\"quotes\\\" inside, more behind\"",
	TEXT("a string of more than thirty-two bytes, \"quotes\" inside, more behind")},
};

static void
test_strings(void **state)
{
	struct slice s;
	struct json *v;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(strings); i++) {
		v = good(slice_of(strings[i].text));
		s = json_string(v);
		CHECK(strings[i].text, s.ptr != NULL && slice_eq(s, strings[i].value));
		CHECK(strings[i].text, s.ptr[s.len] == '\0');
		json_free(v);
	}
}

/* Every accessor on every type. */
static void
test_accessors(void **state)
{
	static const char text[] =
	    "{\"null\":null,\"boolean\":true,\"number\":1.5,\"string\":\"s\",\"array\":[null,"
	    "false,\"x\"],\"object\":{\"k\":{}},\"esc\\u0061ped\":1}";
	struct json *root = good(slice_of(text)), *v;
	int t;

	(void)state;
	assert_int_equal(json_len(root), 7);
	for (t = 0; t < JSON__MAX; t++) {
		const char *word = json_type_words[t];

		v = json_get(root, word);
		CHECK(word, v != NULL);
		CHECK(word, json_type(v) == (enum json_type)t);
		CHECK(word, (json_string(v).ptr != NULL) == (t == JSON_STRING));
		CHECK(word, json_bool(v) == (t == JSON_BOOL));
		CHECK(word, json_len(v) == (t == JSON_ARRAY ? 3 : t == JSON_OBJECT ? 1 : 0));
		CHECK(word, (json_at(v, 0) != NULL) == (t == JSON_ARRAY));
		CHECK(word, (json_get(v, "k") != NULL) == (t == JSON_OBJECT));
	}
	v = json_get(root, "array");
	assert_int_equal(json_type(json_at(v, 0)), JSON_NULL);
	assert_int_equal(json_type(json_at(v, 1)), JSON_BOOL);
	assert_false(json_bool(json_at(v, 1)));
	assert_true(slice_eq(json_string(json_at(v, 2)), slice_of("x")));
	assert_null(json_at(v, 3));
	assert_null(json_at(v, SIZE_MAX));
	assert_non_null(json_get(root, "escaped"));
	assert_null(json_get(root, "Null"));
	assert_null(json_get(root, ""));
	assert_null(json_at(root, 0));
	json_free(root);
	json_free(NULL);
}

/* A root of null is a value too. */
static void
test_null_root(void **state)
{
	struct json *v = good(slice_of(" null "));

	(void)state;
	assert_non_null(v);
	assert_int_equal(json_type(v), JSON_NULL);
	assert_null(json_get(v, "a"));
	assert_int_equal(json_len(v), 0);
	json_free(v);
}

struct visit {
	char seen[64];
	int stop_after;
};

static bool
note(void *ctx, struct slice name, struct json *value)
{
	struct visit *visit = ctx;

	snprintf(visit->seen + strlen(visit->seen), sizeof(visit->seen) - strlen(visit->seen),
	    "%.*s=%s ", (int)name.len, name.ptr, json_type_words[json_type(value)]);
	return (--visit->stop_after != 0);
}

static void
test_each(void **state)
{
	struct json *v = good(slice_of("{\"z\":1,\"a\":null,\"\":[],\"m\":\"x\",\"b\":{}}"));
	struct json *list = good(slice_of("[1]"));
	struct visit all = {.stop_after = -1}, two = {.stop_after = 2}, no = {.stop_after = -1};

	(void)state;
	json_each(v, note, &all);
	assert_string_equal(all.seen, "z=number a=null =array m=string b=object ");
	json_each(v, note, &two);
	assert_string_equal(two.seen, "z=number a=null ");
	json_each(list, note, &no);
	json_each(json_get(v, "a"), note, &no);
	assert_string_equal(no.seen, "");
	json_free(list);
	json_free(v);
}

/* Nothing that stops early is a JSON value, and reading it reads nothing behind its end. */
static void
test_prefixes(void **state)
{
	static const char text[] = "{\"type\":\"sl\\u0061ck\",\"n\":[-1.5e+3,true,false,null,{}],"
				   "\"e\":\"\\ud83d\\ude00 \xf0\x9f\x98\x80\"}";
	struct json_fault f;
	struct json *v;
	size_t n;

	(void)state;
	json_free(good(slice_of(text)));
	for (n = 0; n < sizeof(text) - 1; n++) {
		if (parse(slice_make(text, n), &v, &f) != ERR_INVALID)
			fail_msg("the first %zu bytes are no JSON, but were read", n);
	}
}

#ifndef __SANITIZE_ADDRESS__ /* it keeps freed memory, in terabytes of its own */

/* Does ${needle} stand in memory that is of no file and not our stack: in that of malloc()? */
static bool
heap_holds(const char *needle, size_t len)
{
	char line[512], window[65536];
	unsigned long from, to, at, here = (unsigned long)(uintptr_t)line;
	bool found = false;
	size_t n;
	FILE *maps, *mem;
	char mode[5];

	assert_non_null(maps = fopen("/proc/self/maps", "r"));
	assert_non_null(mem = fopen("/proc/self/mem", "r"));
	setvbuf(mem, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		assert_int_equal(sscanf(line, "%lx-%lx %4s", &from, &to, mode), 3);
		if (mode[1] != 'w' || strchr(line, '/') != NULL || (from <= here && here < to))
			continue;
		/* half a window at a time, so that none is cut in two unseen */
		for (at = from; at < to; at += sizeof(window) / 2) {
			n = to - at < sizeof(window) ? to - at : sizeof(window);
			if (fseek(mem, (long)at, SEEK_SET) != 0 || fread(window, 1, n, mem) != n)
				break;
			found = found || memmem(window, n, needle, len) != NULL;
		}
	}
	fclose(mem);
	fclose(maps);
	return (found);
}

/* Write ${row} to ${text} with ${needle} in the place of each '@'. */
static void
fill_in(const char *row, const char *needle, struct buf *text)
{
	buf_reset(text);
	for (; *row != '\0'; row++)
		buf_add(text, *row == '@' ? slice_of(needle) : slice_make(row, 1));
	assert_true(buf_ok(text));
}

/* Names, strings and numbers, whole or half read: nothing of them is left behind.  The digits in
 * front are what malloc() itself writes over in freed memory. */
static void
test_wiped(void **state)
{
	static const char *const rows[] = {
	    "{\"a\":\"................................@\"}",
	    "{\"................................@\":1}",
	    "{\"\\u002e...............................@\":\"\\u002e...............................@"
	    "\"}",
	    "[33333333333333333333333333333333@]",
	    "[33333333333333333333333333333333@,",
	    "{\"................................@\":[\"................................@\",",
	    "{\"................................@\":1,\"................................@\":2}",
	};
	char needle[32], copy[256];
	struct json_fault fault;
	struct json *v;
	struct buf text;
	size_t i, len;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(needle, sizeof(needle), "7%zu%zu940573", i, i * 7919 + 1000003);
		buf_init(&text, sizeof(copy));
		fill_in(rows[i], needle, &text);
		memcpy(copy, text.ptr, len = text.len);
		buf_clear(&text);
		CHECK(rows[i], !heap_holds(needle, strlen(needle)));
		if (json_parse(slice_make(copy, len), &v, &fault) == ERR_OK) {
			CHECK(rows[i], heap_holds(needle, strlen(needle)));
			json_free(v);
		}
		CHECK(rows[i], !heap_holds(needle, strlen(needle)));
	}
}

#endif

/* Any byte in any place: refused or read, and what is read is refused with one byte of junk behind
 * it. */
static void
test_any_byte(void **state)
{
	static const char text[] = "{\"a\":[1.5,\"\\u00e9\xc3\xa9\"],\"b\":null}";
	char copy[sizeof(text) + 1];
	struct json_fault f;
	struct json *v;
	size_t at, n = sizeof(text) - 1;
	int byte;

	(void)state;
	for (at = 0; at < n; at++) {
		for (byte = 0; byte < 256; byte++) {
			memcpy(copy, text, n);
			copy[at] = (char)byte;
			if (parse(slice_make(copy, n), &v, &f) != ERR_OK)
				continue;
			json_free(v);
			copy[n] = ']';
			if (parse(slice_make(copy, n + 1), &v, &f) != ERR_INVALID)
				fail_msg("junk behind %s", copy);
		}
	}
}

/* One object of as many names as a body can hold. */
static void
test_many_names(void **state)
{
	clock_t start = clock();
	struct json_fault f;
	struct json *v;
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 1 << 22);
	for (i = 0; i < MANY; i++)
		buf_printf(&b, "%c\"%x\":0", i == 0 ? '{' : ',', i);
	buf_addc(&b, '}');
	v = good(buf_slice(&b));
	assert_int_equal(json_len(v), MANY);
	assert_non_null(json_get(v, "c34f"));
	json_free(v);
	b.len--;
	buf_printf(&b, ",\"c34e\":0}");
	assert_true(buf_ok(&b));
	assert_int_equal(parse(buf_slice(&b), &v, &f), ERR_INVALID);
	assert_string_equal(f.code, "duplicate");
	assert_string_equal(f.path, "c34e");
	buf_clear(&b);
	/* Quadratic, this takes minutes; it takes 0.05 s, and some more under a checker. */
	assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
}

/* A string, and a number, as long as a body can be; a fault behind them. */
static void
test_long_tokens(void **state)
{
	struct json_fault f;
	struct json *v;
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 1 << 22);
	buf_addc(&b, '"');
	for (i = 0; i < BODY_MAX; i++)
		buf_addc(&b, (char)('a' + i % 26));
	buf_addc(&b, '"');
	v = good(buf_slice(&b));
	assert_int_equal(json_string(v).len, BODY_MAX);
	assert_memory_equal(json_string(v).ptr, buf_slice(&b).ptr + 1, BODY_MAX);
	json_free(v);
	buf_addc(&b, 'x');
	assert_int_equal(parse(buf_slice(&b), &v, &f), ERR_INVALID);
	assert_int_equal(f.column, BODY_MAX + 3);
	buf_reset(&b);
	for (i = 0; i < BODY_MAX; i++)
		buf_addc(&b, (char)('1' + i % 9));
	v = good(buf_slice(&b));
	assert_int_equal(json_type(v), JSON_NUMBER);
	json_free(v);
	buf_reset(&b);
	for (i = 0; i < BODY_MAX; i++)
		buf_addc(&b, '[');
	assert_int_equal(parse(buf_slice(&b), &v, &f), ERR_INVALID);
	assert_int_equal(f.column, JSON_DEPTH_MAX + 1);
	buf_clear(&b);
}

static const struct {
	struct slice text;
	const char *json;
} puts_[] = {
    {TEXT(""), "\"\""},
    {{NULL, 0}, "\"\""},
    {TEXT("abc"), "\"abc\""},
    {TEXT("a\"b\\c/d<>&'"), "\"a\\\"b\\\\c/d<>&'\""},
    {TEXT("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
    {TEXT("\0\x01\x0b\x1f\x7f "), "\"\\u0000\\u0001\\u000b\\u001f\x7f \""},
    {TEXT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {TEXT("\xff"), "\"\xef\xbf\xbd\""},
    {TEXT("a\xffz"), "\"a\xef\xbf\xbdz\""},
    {TEXT("\xc3"), "\"\xef\xbf\xbd\""},
    {TEXT("\xc3\""), "\"\xef\xbf\xbd\\\"\""},
    {TEXT("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {TEXT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {TEXT("\"\""), "\"\\\"\\\"\""},
    {TEXT("end\n"), "\"end\\n\""},
};

static void
test_put(void **state)
{
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(puts_); i++) {
		buf_init(&b, 1000);
		json_put(&b, puts_[i].text);
		CHECK(puts_[i].json, buf_ok(&b));
		CHECK(puts_[i].json, strcmp(buf_str(&b), puts_[i].json) == 0);
		buf_clear(&b);
	}
	buf_init(&b, 3); /* the limit of the buffer holds */
	json_put(&b, slice_of("abc"));
	assert_false(buf_ok(&b));
	buf_clear(&b);
}

/* What json_put() writes json_parse() reads as it was, for every code point but NUL. */
static void
test_round_trip(void **state)
{
	struct json *v;
	struct buf b, in;
	char hex[32];
	uint32_t c;

	(void)state;
	for (c = 1; c < 0x110000; c += c < 0x900 ? 1 : 251) {
		if (c >= 0xd800 && c < 0xe000)
			continue;
		buf_init(&b, 100);
		buf_init(&in, 100);
		if (c < 0x10000)
			buf_printf(&in, "\"<\\u%04x>\"", c);
		else
			buf_printf(&in, "\"<\\u%04x\\u%04X>\"", 0xd800 + ((c - 0x10000) >> 10),
			    0xdc00 + (c & 0x3ff));
		v = good(buf_slice(&in));
		snprintf(hex, sizeof(hex), "U+%04X", c);
		CHECK(hex, text_utf8_count(json_string(v)) == 3);
		CHECK(hex, text_utf8_next(slice_skip(json_string(v), 1), &(uint32_t){0}) > 0);
		json_put(&b, json_string(v));
		buf_reset(&in);
		buf_add(&in, json_string(v));
		json_free(v);
		v = good(buf_slice(&b));
		CHECK(hex, slice_eq(json_string(v), buf_slice(&in)));
		json_free(v);
		buf_clear(&in);
		buf_clear(&b);
	}
}

static void
test_int(void **state)
{
	static const struct {
		const char *text;
		enum err e;
		int64_t value;
	} rows[] = {
	    {"0", ERR_OK, 0},
	    {"-5", ERR_OK, -5},
	    {"10", ERR_OK, 10},
	    {"1e1", ERR_OK, 10},
	    {"7.0", ERR_OK, 7},
	    {"11", ERR_INVALID, 0},
	    {"-6", ERR_INVALID, 0},
	    {"0.5", ERR_INVALID, 0},
	    {"1e400", ERR_INVALID, 0},
	    {"\"7\"", ERR_INVALID, 0},
	    {"null", ERR_INVALID, 0},
	    {"true", ERR_INVALID, 0},
	    {"[7]", ERR_INVALID, 0},
	};
	struct json *v;
	int64_t n;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		v = good(slice_of(rows[i].text));
		n = 0;
		CHECK(rows[i].text, json_int(v, -5, 10, &n) == rows[i].e);
		CHECK(rows[i].text, n == rows[i].value);
		json_free(v);
	}
	assert_int_equal(json_int(NULL, 0, 1, &n), ERR_INVALID);
}

static void
test_double(void **state)
{
	static const struct {
		const char *text;
		double value; /* NaN: it is no number */
	} rows[] = {
	    {"0.65", 0.65},
	    {"-2", -2},
	    {"1e3", 1000},
	    {"\"7\"", NAN},
	    {"null", NAN},
	    {"[7]", NAN},
	};
	struct json *v;
	double d;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		v = good(slice_of(rows[i].text));
		d = json_double(v);
		CHECK(rows[i].text, isnan(rows[i].value) ? isnan(d) : d == rows[i].value);
		json_free(v);
	}
	assert_true(isnan(json_double(NULL)));
}

static void
test_equal(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
	    {"null", "null", true},
	    {"1", "1.0", true},
	    {"\"a\"", "\"\\u0061\"", true},
	    {"{\"a\":1,\"b\":[true,null]}", "{\"b\":[true,null],\"a\":1}", true},
	    {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
	    {"{\"a\":1,\"b\":1}", "{\"a\":1}", false},
	    {"[1,2]", "[2,1]", false},
	    {"\"1\"", "1", false},
	    {"null", "false", false},
	    {"\"a\"", "\"A\"", false},
	};
	struct json *a, *b;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		a = good(slice_of(rows[i].a));
		b = good(slice_of(rows[i].b));
		CHECK(rows[i].a, json_equal(a, b) == rows[i].equal);
		CHECK(rows[i].a, !json_equal(a, NULL) && !json_equal(NULL, b));
		json_free(a);
		json_free(b);
	}
	assert_true(json_equal(NULL, NULL));
}

/* What is passed on is an equal value, and numbers keep their digits. */
static void
test_write(void **state)
{
	static const struct {
		const char *text, *written;
	} rows[] = {
	    {"null", "null"},
	    {" [ true , false,null,[ ],{ } ] ", "[true,false,null,[],{}]"},
	    {"{\"b\": 1, \"a\" :{\"\": [{}]} }", "{\"b\":1,\"a\":{\"\":[{}]}}"},
	    {"[1.50,-0,-0.0,1E+2,123456789012345678901234567890.000,1e400,0.1e-400]",
		"[1.50,-0,-0.0,1E+2,123456789012345678901234567890.000,1e400,0.1e-400]"},
	    {"\"\\u00e9\\n\\/\\u0007\\\"<&>\"", "\"\xc3\xa9\\n/\\u0007\\\"<&>\""},
	    {"{\"\\u0001\\\"\":\"\"}", "{\"\\u0001\\\"\":\"\"}"},
	};
	struct json *v, *again;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 1000);
	for (i = 0; i < NELEMS(rows); i++) {
		v = good(slice_of(rows[i].text));
		buf_reset(&b);
		json_write(&b, v);
		CHECK(rows[i].text, strcmp(buf_str(&b), rows[i].written) == 0);
		again = good(buf_slice(&b));
		CHECK(rows[i].text, json_equal(v, again));
		json_free(again);
		json_free(v);
	}
	/* a buffer that is full says so in the end, at whatever byte it was */
	for (i = 0; i < NELEMS(rows); i++) {
		buf_clear(&b);
		buf_init(&b, strlen(rows[i].written) - 1);
		v = good(slice_of(rows[i].text));
		json_write(&b, v);
		CHECK(rows[i].text, !buf_ok(&b));
		json_free(v);
	}
	v = good(slice_of("[1.50,\"1\"]"));
	CHECK("number", slice_eq(json_number(json_at(v, 0)), slice_of("1.50")));
	CHECK("no number", json_number(json_at(v, 1)).ptr == NULL && json_number(v).ptr == NULL);
	json_free(v);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_repeated),
	    cmocka_unit_test(test_long_path),
	    cmocka_unit_test(test_quotes_nothing),
	    cmocka_unit_test(test_strings),
	    cmocka_unit_test(test_accessors),
	    cmocka_unit_test(test_int),
	    cmocka_unit_test(test_double),
	    cmocka_unit_test(test_equal),
	    cmocka_unit_test(test_null_root),
	    cmocka_unit_test(test_each),
	    cmocka_unit_test(test_prefixes),
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(test_wiped),
#endif
	    cmocka_unit_test(test_any_byte),
	    cmocka_unit_test(test_many_names),
	    cmocka_unit_test(test_long_tokens),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_round_trip),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
