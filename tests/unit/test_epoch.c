/* epoch: what is printed is read again; what is cut, longer or no mark is refused. */
#include "check.h"

#include <string.h>

#include "domain/epoch.h"

#define MARK "0191f6e4-8a40-4c1e-9b1d-3f0c5a7e2d11"
#define LINE "sigsentry-epoch-1 " MARK " 2026-11-25T01:02:03.456Z\n"

static void
is_read_as_printed(void **state)
{
	struct epoch e;
	struct buf b;

	(void)state;
	assert_int_equal(epoch_parse(slice_of(LINE), &e), ERR_OK);
	assert_string_equal(e.made_at, "2026-11-25T01:02:03.456Z");
	buf_init(&b, EPOCH_TEXT_MAX);
	epoch_print(&e, &b);
	assert_string_equal(buf_str(&b), LINE);
	buf_clear(&b);
}

/* A file that a crash has cut, or that somebody has written to. */
static void
all_else_is_refused(void **state)
{
	static const char *const others[] = {"", "\n", "x\n", "sigsentry-epoch-1\n",
	    "sigsentry-epoch-2 " MARK " 2026-11-25T01:02:03.456Z\n", "sigsentry-epoch-1 " MARK "\n",
	    "sigsentry-epoch-1 " MARK " \n", "sigsentry-epoch-1 " MARK " yesterday\n",
	    "sigsentry-epoch-1 x 2026-11-25T01:02:03Z\n", LINE "\n", LINE LINE, " " LINE};
	struct epoch e, before;
	size_t i;

	(void)state;
	memset(&e, 0x5a, sizeof(e));
	before = e;
	for (i = 0; i < sizeof(LINE) - 1; i++)
		assert_int_equal(epoch_parse(slice_make(LINE, i), &e), ERR_INVALID);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(epoch_parse(slice_of(others[i]), &e), ERR_INVALID);
	assert_int_equal(epoch_parse(slice_make(LINE "\0", sizeof(LINE)), &e), ERR_INVALID);
	assert_memory_equal(&e, &before, sizeof(e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_read_as_printed),
	    cmocka_unit_test(all_else_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
