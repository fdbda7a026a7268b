/* cut: what is shortened, cleaned and escaped, in each unit and on the edge of each limit. */
#include "domain/cut.h"

#include <string.h>

#include "check.h"

#define DOTS "\xe2\x80\xa6"

static const char *const entities[CUT_ASCII] = {['<'] = "&lt;", ['&'] = "&amp;", ['\n'] = "<br>"};

static const struct cut_how hows[] = {
    {.unit = CUT_CODE_POINTS},
    {.unit = CUT_UTF16},
    {.unit = CUT_BYTES},
    {.unit = CUT_JSON},
    {.unit = CUT_CODE_POINTS, .lines = 1},
    {.unit = CUT_UTF16, .escapes = entities},
    {.unit = CUT_UTF16, .line_start = "-#"},
    {.unit = CUT_UTF16, .never_twice = '{'},
    {.unit = CUT_CODE_POINTS, .lines = 3},
};

enum { POINTS, UTF16, BYTES, JSON, LINE, ENTITIES, STARTS, TWICE, THREE };

static const struct {
	const char *text;
	int how;
	size_t max;
	const char *want;
	size_t used;
} rows[] = {
    {"", POINTS, 5, "", 0},
    {"abc", POINTS, 3, "abc", 3},
    {"abcd", POINTS, 3, "ab" DOTS, 3},
    {"abc", POINTS, 1, DOTS, 1},
    {"abc", POINTS, 0, "", 0},
    {"abcd", BYTES, 4, "abcd", 4},
    {"abcde", BYTES, 4, "a" DOTS, 4},
    {"abc", BYTES, 2, "", 0},
    /* the units differ */
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", POINTS, 2, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 2},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", UTF16, 4, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 4},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", UTF16, 3, "\xf0\x9f\x98\x80" DOTS, 3},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", UTF16, 2, DOTS, 1},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", BYTES, 7, "\xf0\x9f\x98\x80" DOTS, 7},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", BYTES, 6, DOTS, 3},
    {"\"\"\\\n\tx", JSON, 11, "\"\"\\\n\tx", 11},
    {"\"\"\\\n\tx", JSON, 10, "\"\"\\" DOTS, 9},
    /* a letter keeps its marks, an emoji its parts */
    {"ae\xcc\x81\xcc\x81", POINTS, 3, "a" DOTS, 2},
    {"ae\xcc\x81z", POINTS, 3, "a" DOTS, 2},
    {"a\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7z", POINTS, 4, "a" DOTS, 2},
    {"a\xe2\x9d\xa4\xef\xb8\x8f", POINTS, 3, "a\xe2\x9d\xa4\xef\xb8\x8f", 3},
    /* cleaned */
    {"\x01"
     "a\x1b[0m\x7f"
     "b\xc2\x9b",
	POINTS, 9, "a[0mb", 5},
    {"a\xe2\x80\xae"
     "b\xe2\x81\xa6"
     "c\xe2\x81\xa9",
	POINTS, 9, "abc", 3},
    {"\xe2\x80\x8f\xd7\x90", POINTS, 9, "\xe2\x80\x8f\xd7\x90", 2}, /* a mark of direction */
    {"a\r\nb\rc\xc2\x85"
     "d\xe2\x80\xa8"
     "e",
	POINTS, 9, "a\nb\nc\nd\ne", 9},
    {"  a  b \n", POINTS, 9, "a  b", 4},
    {"\n\na\n\n\n\nb", POINTS, 9, "a\n\nb", 4},
    {"a\n \n \n \nb", POINTS, 19, "a\n \n  b", 7},
    {"a\xff\xc0\x80z", POINTS, 9, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz", 5},
    {"a    ", POINTS, 2, "a", 1},
    {"a   b", POINTS, 4, "a" DOTS, 2},
    {" \t\r\n", POINTS, 9, "", 0},
    /* lines */
    {"a\n b\t\tc \n\n d", LINE, 9, "a b c d", 7},
    {"a\nb\nc\nd\ne", THREE, 20, "a\nb\nc d e", 9},
    /* escapes count, and are never cut */
    {"<&", ENTITIES, 9, "&lt;&amp;", 9},
    {"<&", ENTITIES, 8, "&lt;" DOTS, 5},
    {"<&", ENTITIES, 4, DOTS, 1},
    {"a\nb", ENTITIES, 9, "a<br>b", 6},
    {"- a\n # b -#", STARTS, 20, "\\- a\n \\# b -#", 13},
    {"{{a}} {", TWICE, 20, "{\xe2\x80\x8b{a}} {", 8},
};

static void
test_rows(void **state)
{
	struct buf b;
	size_t i, used;

	(void)state;
	buf_init(&b, 1000);
	for (i = 0; i < NELEMS(rows); i++) {
		buf_reset(&b);
		used = cut_put(&b, slice_of(rows[i].text), &hows[rows[i].how], rows[i].max);
		if (strcmp(buf_str(&b), rows[i].want) != 0 || used != rows[i].used)
			fail_msg("row %zu, %s: %s, %zu", i, rows[i].text, buf_str(&b), used);
	}
	buf_clear(&b);
}

/* Whatever the text, the limit holds, the count is right, and the output is UTF-8. */
static void
test_every_limit(void **state)
{
	static const char *const texts[] = {
	    "plain text of some length, nothing in it",
	    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 <&<&<& {{{{",
	    "e\xcc\x81\xcc\x82\xcc\x83\xcc\x84 \"quoted\" \\ \n\n- # \n \xe6\xbc\xa2\xe5\xad\x97",
	    "\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
	    "\xff\xfe\x80 \xe2\x80 x",
	    " \n \t \xe3\x80\x80 \xe2\x80\x8b",
	};
	size_t i, how, max, used;
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (i = 0; i < NELEMS(texts); i++) {
		for (how = 0; how < NELEMS(hows); how++) {
			for (max = 0; max < 60; max++) {
				buf_reset(&b);
				used = cut_put(&b, slice_of(texts[i]), &hows[how], max);
				CHECK(texts[i], used <= max);
				CHECK(texts[i], used == cut_len(buf_slice(&b), hows[how].unit));
				CHECK(texts[i], text_utf8_count(buf_slice(&b)) != SIZE_MAX);
			}
		}
	}
	buf_clear(&b);
}

/* A letter with 500 accents is cut all the same, and not before it is 32 long. */
static void
test_endless_letter(void **state)
{
	struct buf in, out;
	size_t i, used;

	(void)state;
	buf_init(&in, 2000);
	buf_init(&out, 2000);
	buf_addc(&in, 'e');
	for (i = 0; i < 500; i++)
		buf_add(&in, slice_of("\xcc\x81"));
	used = cut_put(&out, buf_slice(&in), &hows[POINTS], 100);
	CHECK("cut", used > 60 && used <= 100);
	CHECK("dots", slice_ends_nocase(buf_slice(&out), slice_of(DOTS)));
	buf_clear(&in);
	buf_clear(&out);
}

/* It appends, and tells nothing where there is no room in the buf. */
static void
test_buf(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_add(&b, slice_of("head "));
	assert_int_equal(cut_put(&b, slice_of("  "), &hows[POINTS], 9), 0);
	assert_string_equal(buf_str(&b), "head ");
	assert_int_equal(cut_put(&b, slice_of("abc"), &hows[POINTS], 9), 3);
	assert_string_equal(buf_str(&b), "head abc");
	(void)cut_put(&b, slice_of("d"), &hows[POINTS], 9);
	assert_false(buf_ok(&b));
	buf_clear(&b);
}

static void
test_blank(void **state)
{
	static const char *const blank[] = {"", " ", "\t\r\n", "\xc2\xa0",
	    "\xe2\x80\x8b\xef\xbb\xbf", "\xe3\x80\x80", "\xe3\x85\xa4", "\x01\x7f", "\xe2\x80\xae",
	    "\xf3\xa0\x80\xa0"};
	static const char *const ink[] = {"a", " .", "\xf0\x9f\x98\x80", "\xff", "\xcc\x81"};
	size_t i;

	(void)state;
	assert_true(cut_is_blank(slice_of(NULL)));
	for (i = 0; i < NELEMS(blank); i++)
		CHECK(blank[i], cut_is_blank(slice_of(blank[i])));
	for (i = 0; i < NELEMS(ink); i++)
		CHECK(ink[i], !cut_is_blank(slice_of(ink[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_every_limit),
	    cmocka_unit_test(test_endless_letter),
	    cmocka_unit_test(test_buf),
	    cmocka_unit_test(test_blank),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
