/* A worker's permits: none is used twice, none past its minute, none for another key or kind. */
#include "check.h"

#include <string.h>

#include "domain/permit.h"

#define ASKED 1000 /* ms */

static const struct permit_grant five = {
    .limit = 500, .granted = 5, .remaining = 400, .reset_s = 1795546140, .reset_ms = 2000};

/* Digests that fall on one entry, and one that does not. */
static const uint8_t key[APIKEY_DIGEST_LEN] = {1, 2, 3};
static const uint8_t twin[APIKEY_DIGEST_LEN] = {1, 2, 4};
static const uint8_t other[APIKEY_DIGEST_LEN] = {9, 9, 9};

static void
test_counts(void **state)
{
	struct permit_stock *s = permit_stock_new();
	struct permit *p;
	int i;

	(void)state;
	assert_non_null(s);
	assert_null(permit_take(s, key, PERMIT_WRITE, ASKED));
	p = permit_put(s, key, PERMIT_WRITE, &five, ASKED);
	assert_non_null(p);
	assert_int_equal(permit_left(p), 404); /* one of the five is in use */
	for (i = 0; i < 4; i++) {
		p = permit_take(s, key, PERMIT_WRITE, ASKED + 10);
		assert_non_null(p);
		assert_int_equal(permit_left(p), 403 - i);
		assert_int_equal(p->grant.reset_s, five.reset_s);
	}
	assert_null(permit_take(s, key, PERMIT_WRITE, ASKED + 10));
	permit_return(p);
	assert_int_equal(permit_left(p), 401);
	assert_non_null(permit_take(s, key, PERMIT_WRITE, ASKED + 10));
	assert_null(permit_take(s, key, PERMIT_WRITE, ASKED + 10));
	permit_stock_free(s);
	permit_stock_free(NULL);
}

/* The minute ends so long after the question was sent, not after its answer came. */
static void
test_ends(void **state)
{
	struct permit_stock *s = permit_stock_new();

	(void)state;
	assert_non_null(s);
	assert_non_null(permit_put(s, key, PERMIT_READ, &five, ASKED));
	assert_non_null(permit_take(s, key, PERMIT_READ, ASKED + 1999));
	assert_null(permit_take(s, key, PERMIT_READ, ASKED + 2000));
	assert_null(permit_take(s, key, PERMIT_READ, ASKED + 100000));
	permit_stock_free(s);
}

static void
test_whose(void **state)
{
	struct permit_stock *s = permit_stock_new();
	const struct permit_grant none = {.limit = 5, .granted = 0, .reset_ms = 2000};

	(void)state;
	assert_non_null(s);
	assert_null(permit_put(s, key, PERMIT_READ, &none, ASKED));
	assert_non_null(permit_put(s, key, PERMIT_READ, &five, ASKED));
	assert_null(permit_take(s, key, PERMIT_WRITE, ASKED));
	assert_null(permit_take(s, twin, PERMIT_READ, ASKED));
	assert_null(permit_take(s, other, PERMIT_READ, ASKED));
	assert_non_null(permit_take(s, key, PERMIT_READ, ASKED));
	/* a twin pushes it out, and neither has the other's */
	assert_non_null(permit_put(s, twin, PERMIT_READ, &five, ASKED));
	assert_null(permit_take(s, key, PERMIT_READ, ASKED));
	assert_non_null(permit_take(s, twin, PERMIT_READ, ASKED));
	assert_string_equal(permit_kind_words[PERMIT_READ], "read");
	assert_string_equal(permit_kind_words[PERMIT_WRITE], "write");
	permit_stock_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_whose),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
