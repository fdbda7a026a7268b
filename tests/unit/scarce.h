#ifndef TESTS_UNIT_SCARCE_H
#define TESTS_UNIT_SCARCE_H

#include <stdbool.h>

/* A machine on which things run out: the test's program has its own malloc() and its like, and
 * read(), write(), fsync() and rename(), which libraries get to call too.  With AddressSanitizer,
 * which has its own, nothing runs out. */

/**
 * scarce_memory(n, for_good):
 * The n-th allocation from now (0: the next) fails, also one of locked memory, and with ${for_good}
 * all behind it.
 */
void scarce_memory(long n, bool for_good);

/* What a call that is made to fail does. */
enum scarce_how {
	SCARCE_SHORT, /* reads or writes one byte; anything else is done as ever */
	SCARCE_EINTR, /* reads or writes nothing, since a signal came; anything else is done as ever
		       */
	SCARCE_ENOSPC, /* fails */
	SCARCE_EIO,
	SCARCE__MAX
};

/**
 * scarce_files(n, how):
 * The n-th call from now on a file behaves like ${how}.
 */
void scarce_files(long n, enum scarce_how how);

/**
 * scarce_end():
 * All is there again.  Has it come to the call that was to fail?
 */
bool scarce_end(void);

/**
 * scarce_live():
 * How many allocations there are.
 */
long scarce_live(void);

#endif
