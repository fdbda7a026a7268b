/* Retry-After and other times from outside: within a day, seconds as they stand, a date as far away
 * as it is; and a time that is read prints as one that reads the same. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/when.h"
#include "domain/backoff.h"
#include "fuzz.h"

#define NOW_MS INT64_C(784111777000) /* RFC 9110's example of a date */

static void
check_retry_after(struct slice s)
{
	int64_t wait = backoff_retry_after_ms(s, NOW_MS), later;
	uint64_t seconds;

	MUST(wait >= 0 && wait <= BACKOFF_WAIT_MAX_MS);
	if (text_u64(s, 10000000, &seconds) == ERR_OK) {
		MUST(
		    wait == ((int64_t)seconds * 1000 < BACKOFF_WAIT_MAX_MS ? (int64_t)seconds * 1000
									   : BACKOFF_WAIT_MAX_MS));
		return;
	}
	if (s.len == 0 || memchr(s.ptr, ':', s.len) == NULL)
		return;
	/* a date comes nearer as time goes by */
	later = backoff_retry_after_ms(s, NOW_MS + 1000);
	MUST(later == (wait > 1000 ? wait - 1000 : 0) || later == BACKOFF_WAIT_MAX_MS);
}

static void
check_when(struct slice s)
{
	char text[CLOCK_RFC3339_SIZE];
	int64_t at, again;

	if (when_rfc3339(s, &at) == ERR_OK) {
		clock_rfc3339(at, text);
		MUST(when_rfc3339(slice_of(text), &again) == ERR_OK && at == again);
	}
	if (when_parse(s, NOW_MS, 1, &at) == ERR_OK && s.len > 0 && s.ptr[s.len - 1] == 'd')
		MUST(at > NOW_MS && at - NOW_MS <= INT64_C(36500) * 86400000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_make(size == 0 ? (const void *)"" : data, size);
	char text[64];
	int64_t ms;

	check_retry_after(s);
	check_when(s);
	if (size < sizeof(text)) {
		memcpy(text, s.ptr, size);
		text[size] = '\0';
		ms = backoff_seconds_ms(strtod(text, NULL));
		MUST(ms >= 0 && ms <= BACKOFF_WAIT_MAX_MS);
	}
	return (0);
}
