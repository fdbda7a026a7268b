/* clock: RFC 3339 texts, the machine's clock, one in its place. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "check.h"

static void
test_rfc3339(void **st)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
	    {-62135596800000, "0001-01-01T00:00:00.000Z"},
	    {-1000, "1969-12-31T23:59:59.000Z"},
	    {-1, "1969-12-31T23:59:59.999Z"},
	    {0, "1970-01-01T00:00:00.000Z"},
	    {1, "1970-01-01T00:00:00.001Z"},
	    {999, "1970-01-01T00:00:00.999Z"},
	    {1000, "1970-01-01T00:00:01.000Z"},
	    {86399999, "1970-01-01T23:59:59.999Z"},
	    {951782400000, "2000-02-29T00:00:00.000Z"},
	    {1709251199999, "2024-02-29T23:59:59.999Z"},
	    {1735689599999, "2024-12-31T23:59:59.999Z"},
	    {1795492800000, "2026-11-24T04:00:00.000Z"},
	    {2147483648000, "2038-01-19T03:14:08.000Z"},
	    {4107542400000, "2100-03-01T00:00:00.000Z"},
	    {253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	char out[CLOCK_RFC3339_SIZE + 1];
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		memset(out, 'x', sizeof(out));
		clock_rfc3339(rows[i].ms, out);
		assert_string_equal(out, rows[i].text);
		CHECK(rows[i].text, out[CLOCK_RFC3339_SIZE] == 'x');
	}
}

static void
test_system(void **st)
{
	const struct timespec pause = {0, 20 * 1000 * 1000};
	struct clock c = clock_system();
	int64_t wall = clock_wall_ms(&c), mono = clock_mono_ms(&c), passed;

	(void)st;
	/* time(2) reads a clock that is a tick behind */
	CHECK("seconds are those of time(2)",
	    wall / 1000 - (int64_t)time(NULL) <= 1 && wall / 1000 - (int64_t)time(NULL) >= -5);
	nanosleep(&pause, NULL);
	passed = clock_mono_ms(&c) - mono;
	CHECK("milliseconds", passed >= 19 && passed < 10000);
}

static int64_t
fixed_wall(void *ctx)
{
	return (*(int64_t *)ctx);
}

static int64_t
fixed_mono(void *ctx)
{
	return (*(int64_t *)ctx + 1);
}

static void
test_replaced(void **st)
{
	int64_t now = 41;
	struct clock c = {fixed_wall, fixed_mono, &now};

	(void)st;
	CHECK("wall", clock_wall_ms(&c) == 41);
	CHECK("mono", clock_mono_ms(&c) == 42);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc3339),
	    cmocka_unit_test(test_system),
	    cmocka_unit_test(test_replaced),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
