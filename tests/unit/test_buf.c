/* buf: growth, the limit, a failure that sticks, and what a clear leaves. */
#include "base/buf.h"

#include <string.h>

#include "bytes.h"

static void
test_empty(void **st)
{
	struct buf b;

	(void)st;
	buf_init(&b, 10);
	CHECK("ok", buf_ok(&b));
	CHECK("slice is there", buf_slice(&b).ptr != NULL && buf_slice(&b).len == 0);
	assert_string_equal(buf_str(&b), "");
	buf_add(&b, slice_of(NULL));
	buf_add(&b, slice_of(""));
	CHECK("nothing added", buf_ok(&b) && b.len == 0);
	assert_string_equal(buf_str(&b), "");
	buf_clear(&b);
}

static void
test_append(void **st)
{
	struct buf b;

	(void)st;
	buf_init(&b, 1000);
	buf_add(&b, slice_of("ab"));
	buf_addc(&b, '\0');
	buf_addc(&b, 'c');
	buf_printf(&b, "%d-%s", 42, "x");
	CHECK("bytes", slice_eq(buf_slice(&b), slice_make("ab\0c42-x", 8)));
	CHECK("NUL behind", memcmp(buf_str(&b), "ab\0c42-x", 9) == 0);
	buf_addc(&b, '!');
	CHECK("goes on after buf_str", slice_eq(buf_slice(&b), slice_make("ab\0c42-x!", 9)));
	buf_clear(&b);
}

static void
test_growth(void **st)
{
	enum { N = 10000 };
	struct buf b;
	size_t i;

	(void)st;
	buf_init(&b, N);
	for (i = 0; i < N; i++)
		buf_addc(&b, (char)('a' + i % 26));
	CHECK("all fit", buf_ok(&b) && b.len == N);
	for (i = 0; i < N; i++)
		CHECK("in order", b.ptr[i] == (char)('a' + i % 26));
	CHECK("terminated", buf_str(&b)[N] == '\0');
	buf_clear(&b);
}

static void
test_limit(void **st)
{
	/* what is added to "abc" under a limit of 5 bytes */
	static const struct {
		const char *name, *add;
		bool printf, fits;
	} rows[] = {
	    {"under", "d", false, true},
	    {"exactly", "de", false, true},
	    {"over", "def", false, false},
	    {"printf exactly", "de", true, true},
	    {"printf over", "def", true, false},
	    {"printf nothing", "", true, true},
	};
	struct buf b;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		buf_init(&b, 5);
		buf_add(&b, slice_of("abc"));
		if (rows[i].printf)
			buf_printf(&b, "%s", rows[i].add);
		else
			buf_add(&b, slice_of(rows[i].add));
		CHECK(rows[i].name, buf_ok(&b) == rows[i].fits);
		CHECK(rows[i].name, b.len <= 5);
		CHECK(rows[i].name, rows[i].fits || strcmp(buf_str(&b), "") == 0);
		buf_clear(&b);
	}
	buf_init(&b, 0);
	buf_addc(&b, 'x');
	CHECK("no room at all", !buf_ok(&b));
	buf_clear(&b);
}

static void
test_failure_sticks(void **st)
{
	struct buf b;

	(void)st;
	buf_init(&b, 5);
	buf_add(&b, slice_of("too long"));
	buf_add(&b, slice_of("ab"));
	buf_printf(&b, "c");
	CHECK("sticks", !buf_ok(&b) && b.len == 0);
	assert_string_equal(buf_str(&b), "");
	buf_reset(&b);
	buf_add(&b, slice_of("ab"));
	CHECK("reset", buf_ok(&b));
	assert_string_equal(buf_str(&b), "ab");
	buf_fail(&b);
	buf_add(&b, slice_of("c"));
	CHECK("failed by its user", !buf_ok(&b));
	assert_string_equal(buf_str(&b), "");
	buf_reset(&b);
	buf_add(&b, slice_of("ab"));
	buf_add(&b, slice_of("cdef"));
	buf_clear(&b);
	CHECK("clear", buf_ok(&b) && b.len == 0 && b.ptr == NULL && b.max == 5);
	buf_addc(&b, 'x');
	assert_string_equal(buf_str(&b), "x");
	buf_clear(&b);
}

static void
test_reset_keeps_memory(void **st)
{
	struct buf b;
	char *p;

	(void)st;
	buf_init(&b, 100);
	buf_add(&b, slice_of("abcdef"));
	p = b.ptr;
	buf_reset(&b);
	CHECK("forgets", buf_slice(&b).len == 0);
	assert_string_equal(buf_str(&b), "");
	buf_add(&b, slice_of("xy"));
	CHECK("the same memory", b.ptr == p);
	assert_string_equal(buf_str(&b), "xy");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_append),
	    cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_failure_sticks),
	    cmocka_unit_test(test_reset_keeps_memory),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
