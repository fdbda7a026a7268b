#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

/* What every unit test includes: cmocka, and a check that names the row of its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CHECK(row, cond)                                  \
	do {                                              \
		if (!(cond))                              \
			fail_msg("%s: %s", (row), #cond); \
	} while (0)

#define NELEMS(a) (sizeof(a) / sizeof((a)[0]))

#endif
