#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/* "2026-11-24T04:00:00.000Z" and its NUL. */
#define CLOCK_RFC3339_SIZE 25

/** Where a program gets its time from; tests put their own in its place. */
struct clock {
	int64_t (*wall_ms)(void *ctx); /* since 1970-01-01T00:00:00Z */
	int64_t (*mono_ms)(void *ctx); /* since some fixed point; never goes back */
	void *ctx;
};

/**
 * clock_system():
 * Return the machine's clock.
 */
struct clock clock_system(void);

/**
 * clock_wall_ms(c), clock_mono_ms(c):
 * Read ${c}.
 */
int64_t clock_wall_ms(const struct clock *c);
int64_t clock_mono_ms(const struct clock *c);

/**
 * clock_rfc3339(wall_ms, out):
 * Write ${wall_ms} as RFC 3339 in UTC with milliseconds and Z.
 */
void clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);

#endif
