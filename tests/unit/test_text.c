/* text: slices, numbers, hex, well-formed UTF-8 and its edges, "did you mean". */
#include "base/text.h"

#include <string.h>

#include "bytes.h"

static void
test_slices(void **st)
{
	static const struct slice lit = SLICE_LIT("a\0b");
	struct slice s;

	(void)st;
	CHECK("literal", lit.len == 3);
	CHECK("absent", slice_of(NULL).ptr == NULL && slice_of(NULL).len == 0);
	CHECK("empty is there", slice_of("").ptr != NULL && slice_of("").len == 0);
	s = slice_make("abc", 2);
	CHECK("make", s.len == 2 && s.ptr[1] == 'b');
	s = slice_skip(slice_of("abc"), 1);
	CHECK("skip", slice_eq(s, slice_of("bc")));
	s = slice_skip(slice_of("abc"), 9);
	CHECK("skip all", s.len == 0 && s.ptr != NULL);
	CHECK("skip nothing", slice_skip(slice_of(NULL), 1).ptr == NULL);
}

static void
test_compare(void **st)
{
	/* what each question answers, as bits: eq 1, eq_nocase 2, starts 4, ends_nocase 8 */
	static const struct {
		const char *a, *b;
		unsigned int want;
	} rows[] = {
	    {"abc", "abc", 15}, {"abc", "aBC", 2 + 8}, {"abc", "ab", 4}, {"abc", "bc", 8},
	    {"abc", "BC", 8}, {"abc", "Ab", 0}, {"abc", "", 4 + 8}, {"abc", "abcd", 0},
	    {"", "", 15}, {"", "a", 0}, {"a@", "A`", 0}, /* only letters have a case */
	    {"[z", "{Z", 0},                             /* '[' and '{' differ by the same bit */
	    {"\xc3\xa9", "\xc3\x89", 0},                 /* é and É: ASCII alone */
	};
	struct slice a, b;
	unsigned int got;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		a = slice_of(rows[i].a);
		b = slice_of(rows[i].b);
		got = (slice_eq(a, b) ? 1u : 0u) + (slice_eq_nocase(a, b) ? 2u : 0u) +
		      (slice_starts(a, b) ? 4u : 0u) + (slice_ends_nocase(a, b) ? 8u : 0u);
		if (got != rows[i].want)
			fail_msg("%s, %s: %u", rows[i].a, rows[i].b, got);
	}
	CHECK("NUL inside", !slice_eq(slice_make("a\0b", 3), slice_make("a\0c", 3)));
	CHECK("absent and empty hold the same bytes", slice_eq(slice_of(NULL), slice_of("")));
}

static void
test_trim(void **st)
{
	static const char *const rows[][2] = {{"", ""}, {"a", "a"}, {" \ta b\t ", "a b"},
	    {" \t ", ""}, {"\na\n", "\na\n"}, {"\ra", "\ra"}};
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i][0], slice_eq(slice_trim(slice_of(rows[i][0])), slice_of(rows[i][1])));
}

static void
test_split(void **st)
{
	static const struct {
		const char *text;
		size_t n;
		const char *parts[4];
	} rows[] = {
	    {NULL, 0, {NULL}},
	    {"", 1, {""}},
	    {"a", 1, {"a"}},
	    {"a,b", 2, {"a", "b"}},
	    {",", 2, {"", ""}},
	    {"a,", 2, {"a", ""}},
	    {",a,,b", 4, {"", "a", "", "b"}},
	};
	struct slice rest, part;
	const char *row;
	size_t i, n;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].text == NULL ? "absent" : rows[i].text;
		rest = slice_of(rows[i].text);
		for (n = 0; slice_split(&rest, ',', &part); n++) {
			CHECK(row, n < rows[i].n);
			CHECK(row, slice_eq(part, slice_of(rows[i].parts[n])));
		}
		CHECK(row, n == rows[i].n);
	}
}

static void
test_u64(void **st)
{
	static const struct {
		const char *text;
		uint64_t max;
		enum err e;
		uint64_t n;
	} rows[] = {
	    {"0", 0, ERR_OK, 0},
	    {"7", 10, ERR_OK, 7},
	    {"10", 10, ERR_OK, 10},
	    {"11", 10, ERR_INVALID, 0},
	    {"00010", 10, ERR_OK, 10},
	    {"18446744073709551615", UINT64_MAX, ERR_OK, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, ERR_INVALID, 0},
	    {"18446744073709551619", UINT64_MAX, ERR_INVALID, 0},
	    {"184467440737095516150", UINT64_MAX, ERR_INVALID, 0},
	    {"99999999999999999999999", UINT64_MAX, ERR_INVALID, 0},
	    {"", 10, ERR_INVALID, 0},
	    {NULL, 10, ERR_INVALID, 0},
	    {"-1", 10, ERR_INVALID, 0},
	    {"+1", 10, ERR_INVALID, 0},
	    {" 1", 10, ERR_INVALID, 0},
	    {"1 ", 10, ERR_INVALID, 0},
	    {"0x1", 10, ERR_INVALID, 0},
	    {"1.0", 10, ERR_INVALID, 0},
	    {"1/", 100, ERR_INVALID, 0},
	    {"1:", 100, ERR_INVALID, 0},
	};
	const char *row;
	uint64_t n;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].text == NULL ? "absent" : rows[i].text;
		n = 0;
		CHECK(row, text_u64(slice_of(rows[i].text), rows[i].max, &n) == rows[i].e);
		CHECK(row, n == rows[i].n);
	}
}

static void
test_hex(void **st)
{
	static const struct {
		const char *text;
		size_t len;
		enum err e;
	} rows[] = {
	    {"00ff1234", 4, ERR_OK},
	    {"00FF1234", 4, ERR_OK},
	    {"", 0, ERR_OK},
	    {"00ff123", 4, ERR_INVALID},
	    {"00ff12345", 4, ERR_INVALID},
	    {"00ff1234", 3, ERR_INVALID},
	    {"00ff1234", 5, ERR_INVALID},
	    {"0g", 1, ERR_INVALID},
	    {"0/", 1, ERR_INVALID},
	    {":0", 1, ERR_INVALID},
	    {"@0", 1, ERR_INVALID},
	    {"0`", 1, ERR_INVALID},
	    {" 0", 1, ERR_INVALID},
	    {"0", 0, ERR_INVALID},
	};
	static const uint8_t want[] = {0x00, 0xff, 0x12, 0x34};
	uint8_t out[8];
	char text[9];
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		memset(out, 0x5a, sizeof(out));
		CHECK(rows[i].text,
		    text_unhex(slice_of(rows[i].text), out, rows[i].len) == rows[i].e);
		CHECK(rows[i].text, rows[i].e != ERR_OK || memcmp(out, want, rows[i].len) == 0);
		CHECK(rows[i].text, out[rows[i].len] == 0x5a);
	}
	text_hex(want, sizeof(want), text);
	assert_string_equal(text, "00ff1234");
	text_hex(want, 0, text);
	assert_string_equal(text, "");
}

static void
test_utf8(void **st)
{
	/* n: bytes of the first code point, 0: not well-formed */
	static const struct {
		const char *name, *text;
		size_t n;
		uint32_t codepoint;
	} rows[] = {
	    {"empty", "", 0, 0},
	    {"U+0041", "A", 1, 0x41},
	    {"U+007F", "\x7f", 1, 0x7f},
	    {"U+0080", "\xc2\x80", 2, 0x80},
	    {"U+07FF", "\xdf\xbf", 2, 0x7ff},
	    {"U+0800", "\xe0\xa0\x80", 3, 0x800},
	    {"U+D7FF", "\xed\x9f\xbf", 3, 0xd7ff},
	    {"U+E000", "\xee\x80\x80", 3, 0xe000},
	    {"U+FEFF", "\xef\xbb\xbf", 3, 0xfeff},
	    {"U+FFFF", "\xef\xbf\xbf", 3, 0xffff},
	    {"U+10000", "\xf0\x90\x80\x80", 4, 0x10000},
	    {"U+1F600", "\xf0\x9f\x98\x80", 4, 0x1f600},
	    {"U+10FFFF", "\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	    {"only the first", "\xc3\xa9\xff", 2, 0xe9},
	    {"lone continuation", "\x80", 0, 0},
	    {"last continuation", "\xbf", 0, 0},
	    {"overlong /", "\xc0\xaf", 0, 0},
	    {"overlong U+007F", "\xc1\xbf", 0, 0},
	    {"overlong U+07FF", "\xe0\x9f\xbf", 0, 0},
	    {"overlong U+FFFF", "\xf0\x8f\xbf\xbf", 0, 0},
	    {"U+D800", "\xed\xa0\x80", 0, 0},
	    {"U+DFFF", "\xed\xbf\xbf", 0, 0},
	    {"U+110000", "\xf4\x90\x80\x80", 0, 0},
	    {"lead F5", "\xf5\x80\x80\x80", 0, 0},
	    {"five bytes", "\xf8\x88\x80\x80\x80", 0, 0},
	    {"FE", "\xfe", 0, 0},
	    {"FF", "\xff", 0, 0},
	    {"2 cut", "\xc3", 0, 0},
	    {"3 cut to 1", "\xe2", 0, 0},
	    {"3 cut to 2", "\xe2\x82", 0, 0},
	    {"4 cut to 3", "\xf0\x9f\x98", 0, 0},
	    {"second byte is a letter",
		"\xc3"
		"A",
		0, 0},
	    {"third byte is a letter",
		"\xe2\x82"
		"A",
		0, 0},
	    {"fourth byte is a lead", "\xf0\x9f\x98\xc3", 0, 0},
	};
	struct slice s;
	uint32_t cp;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		s = slice_of(rows[i].text);
		CHECK(rows[i].name, text_utf8_next(s, &cp) == rows[i].n);
		CHECK(rows[i].name, rows[i].n == 0 || cp == rows[i].codepoint);
	}
	CHECK("NUL", text_utf8_next(slice_make("\0", 1), &cp) == 1 && cp == 0);
	CHECK("the length bounds it", text_utf8_next(slice_make("\xc3\xa9", 1), &cp) == 0);
}

static void
test_utf8_count_and_cut(void **st)
{
	/* count: SIZE_MAX where not valid; cut: bytes that a cut to ${n} leaves */
	static const struct {
		const char *text;
		size_t count, n, cut;
	} rows[] = {
	    {"", 0, 5, 0},
	    {"abc", 3, 2, 2},
	    {"abc", 3, 3, 3},
	    {"abc", 3, 0, 0},
	    {"a\xc3\xa9", 2, 2, 1},
	    {"a\xc3\xa9", 2, 3, 3},
	    {"\xe2\x82\xac", 1, 2, 0},
	    {"\xe2\x82\xac\xe2\x82\xac", 2, 5, 3},
	    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 2, 7, 4},
	    {"a\xff", SIZE_MAX, 9, 2},
	    {"\xc3", SIZE_MAX, 9, 1},
	};
	struct slice s;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		s = slice_of(rows[i].text);
		CHECK(rows[i].text, text_utf8_count(s) == rows[i].count);
		CHECK(rows[i].text, text_utf8_cut(s, rows[i].n).len == rows[i].cut);
		CHECK(rows[i].text, text_utf8_cut(s, rows[i].n).ptr == s.ptr);
	}
}

static void
test_nearest(void **st)
{
	static const char *const known[] = {
	    "webhookUrl", "url", "authHeader", "hmacSecret", "recipients", "name", "type"};
	static const struct {
		const char *word, *want; /* NULL: none is near */
	} rows[] = {
	    {"webhookUrl", "webhookUrl"},
	    {"webhook_url", "webhookUrl"},
	    {"WEBHOOK-URL", "webhookUrl"},
	    {"webhokUrl", "webhookUrl"},
	    {"hook_url", NULL}, /* three edits, over a third of seven */
	    {"uri", "url"},
	    {"ur", NULL}, /* one edit is half of it */
	    {"authheaders", "authHeader"},
	    {"recipient", "recipients"},
	    {"nmae", NULL}, /* a swap is two edits, over a third of four */
	    {"nam", "name"},
	    {"tpye", NULL},
	    {"typ", "type"},
	    {"severity", NULL},
	    {"", NULL},
	    {"xxxxxxxxxx", NULL},
	    {"webhookUrlwebhookUrlwebhookUrlwebhookUrlwebhookUrlwebhookUrlwebho", NULL},
	};
	const char *got;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		got = text_nearest(slice_of(rows[i].word), known, NELEMS(known));
		if ((got == NULL) != (rows[i].want == NULL) ||
		    (got != NULL && strcmp(got, rows[i].want) != 0))
			fail_msg("%s: %s", rows[i].word, got == NULL ? "none" : got);
	}
	CHECK("none known", text_nearest(slice_of("name"), known, 0) == NULL);
}

static void
test_base64(void **st)
{
	/* RFC 4648 section 10, and the two last digits of the alphabet */
	static const struct {
		const char *plain, *base64, *bare;
	} rows[] = {{"", "", ""}, {"f", "Zg==", "Zg"}, {"fo", "Zm8=", "Zm8"},
	    {"foo", "Zm9v", "Zm9v"}, {"foob", "Zm9vYg==", "Zm9vYg"},
	    {"fooba", "Zm9vYmE=", "Zm9vYmE"}, {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
	    {"\xff\xef\xbe", "/+++", "/+++"}};
	static const char *const bad[] = {
	    "A", "AAAAA", "AAA*", "A===", "====", "Zg==Zg==", "Zg= ", "Zm9v\n", "=", "Z-_v"};
	char text[TEXT_BASE64_LEN(6) + 1];
	uint8_t out[8];
	size_t i, n;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		text_base64((const uint8_t *)rows[i].plain, strlen(rows[i].plain), text);
		CHECK(rows[i].plain, strcmp(text, rows[i].base64) == 0);
		CHECK(text, text_unbase64(slice_of(text), out, sizeof(out), &n) == ERR_OK);
		CHECK(text, slice_eq(slice_make(out, n), slice_of(rows[i].plain)));
		CHECK(text, text_unbase64(slice_of(rows[i].bare), out, n, &n) == ERR_OK);
		CHECK(text, slice_eq(slice_make(out, n), slice_of(rows[i].plain)));
		if (n > 0)
			CHECK(text, text_unbase64(slice_of(text), out, n - 1, &n) == ERR_SPACE);
	}
	for (i = 0; i < NELEMS(bad); i++)
		CHECK(bad[i], text_unbase64(slice_of(bad[i]), out, sizeof(out), &n) == ERR_INVALID);
	CHECK("NUL", text_unbase64(slice_make("AA\0A", 4), out, sizeof(out), &n) == ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slices),
	    cmocka_unit_test(test_compare),
	    cmocka_unit_test(test_trim),
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_u64),
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_hex),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_utf8_count_and_cut),
	    cmocka_unit_test(test_nearest),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
