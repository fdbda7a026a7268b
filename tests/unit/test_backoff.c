/* When the next attempt is: the contract's schedule, its random part, and what a destination asks.
 */
#include "check.h"

#include <math.h>

#include "domain/backoff.h"

#define S   INT64_C(1000)
#define DAY (INT64_C(86400) * S)
#define NOW INT64_C(1795550400000) /* 2026-11-24T20:00:00Z, a Tuesday */

/* clang-format off */
static const int64_t schedule[] = {5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200};

static void
next(void **state)
{
	static const struct {
		const char *row;
		unsigned int attempt;
		uint32_t random;
		int64_t wait_ms, next_ms;
	} rows[] = {
		{"the first, least", 1, 0, 0, 4 * S},
		{"the first, most", 1, UINT32_MAX, 0, 6 * S},
		{"the first, middle", 1, UINT32_MAX / 2, 0, 4999},
		{"the second", 2, 0, 0, 24 * S},
		{"the ninth, least", 9, 0, 0, 34560 * S},
		{"the ninth, most", 9, UINT32_MAX, 0, 51840 * S},
		{"the tenth is the last", 10, 0, 0, BACKOFF_OVER},
		{"a wait makes no attempt more", 10, 0, DAY, BACKOFF_OVER},
		{"there is no attempt 0", 0, 0, 0, BACKOFF_OVER},
		{"a longer wait counts", 1, UINT32_MAX, 60 * S, 60 * S},
		{"a shorter one does not", 2, 0, 3 * S, 24 * S},
		{"a wait of a week is one of a day", 1, 0, 7 * DAY, DAY},
		{"a negative one is none", 1, 0, -5, 4 * S},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].row, backoff_next_ms(schedule, NELEMS(schedule), rows[i].attempt,
		    rows[i].random, rows[i].wait_ms) == rows[i].next_ms);
	assert_int_equal(backoff_next_ms(NULL, 0, 1, 0, 0), BACKOFF_OVER);
}

static void
retry_after(void **state)
{
	static const struct {
		const char *value;
		int64_t now_ms, wait_ms;
	} rows[] = {
		{"0", NOW, 0},
		{"1", NOW, 1 * S},
		{"120", NOW, 120 * S},
		{" 120\t", NOW, 120 * S},
		{"86400", NOW, DAY},
		{"86401", NOW, DAY},
		{"99999999999999999999999999", NOW, DAY},
		{"9223372036854775807", NOW, DAY},
		{"-1", NOW, 0},
		{"1.5", NOW, 0},
		{"1 2", NOW, 0},
		{"soon", NOW, 0},
		{"", NOW, 0},
		{NULL, NOW, 0},
		/* RFC 9110 §5.6.7's own examples, all one moment: 784111777 */
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111770 * S, 7 * S},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 784111770 * S, 7 * S},
		{"Sun Nov  6 08:49:37 1994", 784111770 * S, 7 * S},
		{"Sun, 06 Nov 1994 08:49:37 GMT", NOW, 0},
		{"Tue, 24 Nov 2026 20:05:00 GMT", NOW, 300 * S},
		{"Tue, 24 Nov 2026 20:05:00 GMT", NOW + 1, 300 * S - 1},
		{"Tuesday, 24-Nov-26 20:05:00 GMT", NOW, 300 * S},
		{"Tue Nov 24 20:05:00 2026", NOW, 300 * S},
		{"Thu, 26 Nov 2026 00:00:00 GMT", NOW, DAY},
		{"Fri, 31 Dec 9999 23:59:59 GMT", NOW, DAY},
		{"Tuesday, 24-Nov-94 20:05:00 GMT", NOW, 0}, /* 1994: 2094 is over 50 years away */
		{"Tuesday, 24-Nov-70 20:05:00 GMT", NOW, DAY}, /* 2070 is not */
		{"Thu, 29 Feb 2024 00:00:10 GMT", INT64_C(1709164800000), 10 * S},
		{"Thu, 31 Dec 2026 23:59:60 GMT", INT64_C(1798761590000), 10 * S},
		{"Tue, 24 Nov 2026 20:05:00 UTC", NOW, 0},
		{"Tue, 24 Nov 2026 20:05:00", NOW, 0},
		{"Tue, 24 Nov 2026 20:05:00 GMT, 1", NOW, 0},
		{"Tue, 24 nov 2026 20:05:00 GMT", NOW, 0},
		{"Tue, 00 Nov 2026 20:05:00 GMT", NOW, 0},
		{"Tue, 24 Nov 2026 24:05:00 GMT", NOW, 0},
		{"Tue, 24 Nov 2026 20:60:00 GMT", NOW, 0},
		{"Tue, 24 Nov 2026 20:5:00 GMT", NOW, 0},
		{"Tue, ", NOW, 0},
		{"Tue", NOW, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].value == NULL ? "(absent)" : rows[i].value,
		    backoff_retry_after_ms(slice_of(rows[i].value), rows[i].now_ms) == rows[i].wait_ms);
	/* a slice ends where it says */
	assert_int_equal(backoff_retry_after_ms(slice_make("1234", 2), NOW), 12 * S);
}

static void
seconds(void **state)
{
	static const struct {
		double s;
		int64_t ms;
	} rows[] = {
		{0, 0}, {0.65, 650}, {64.57, 64570}, {0.0001, 1}, {-3, 0}, {1e30, DAY}, {86400, DAY},
		{INFINITY, DAY}, {NAN, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		assert_int_equal(backoff_seconds_ms(rows[i].s), rows[i].ms);
}
/* clang-format on */

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(next),
	    cmocka_unit_test(retry_after),
	    cmocka_unit_test(seconds),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
