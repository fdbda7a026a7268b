#ifndef DOMAIN_BACKOFF_H
#define DOMAIN_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* The longest wait that a destination may ask for (contract §5). */
#define BACKOFF_WAIT_MAX_MS (INT64_C(24) * 3600 * 1000)

/* How long our own faults, the outcome `local`, wait until they are tried again. */
#define BACKOFF_LOCAL_MS (INT64_C(60) * 1000)

/* There is no attempt left. */
#define BACKOFF_OVER (-1)

/**
 * backoff_next_ms(schedule_s, nschedule, attempt, random, wait_ms):
 * How long to wait behind attempt number ${attempt} (from 1), which ended as `retry`: the row of
 * ${schedule_s} (seconds) that belongs to it, ±20 % by ${random}, evenly spread over all its
 * values; but never less than ${wait_ms}, which the destination asked for (0: it did not) and of
 * which at most BACKOFF_WAIT_MAX_MS count.  BACKOFF_OVER: that was the last attempt; ${nschedule}
 * waits make ${nschedule} + 1 attempts.
 */
int64_t backoff_next_ms(const int64_t *schedule_s, size_t nschedule, unsigned int attempt,
    uint32_t random, int64_t wait_ms);

/**
 * backoff_retry_after_ms(value, now_ms):
 * How long the Retry-After field ${value} asks to wait from ${now_ms} (wall clock) on (RFC 9110
 * §10.2.3): seconds, or an HTTP-date in any of the three forms of §5.6.7.  At most
 * BACKOFF_WAIT_MAX_MS; 0 where it is absent, unreadable, or a time that has passed.
 */
int64_t backoff_retry_after_ms(struct slice value, int64_t now_ms);

/**
 * backoff_seconds_ms(seconds):
 * Decimal seconds, as platforms write them, in whole milliseconds, rounded up; at most
 * BACKOFF_WAIT_MAX_MS; 0 for what is negative or no number.
 */
int64_t backoff_seconds_ms(double seconds);

#endif
