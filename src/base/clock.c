/* Time, behind a struct so that tests can replace it. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static int64_t
system_wall_ms(void *ctx)
{
	(void)ctx;
	return (read_ms(CLOCK_REALTIME));
}

static int64_t
system_mono_ms(void *ctx)
{
	(void)ctx;
	return (read_ms(CLOCK_MONOTONIC));
}

struct clock
clock_system(void)
{
	struct clock c = {system_wall_ms, system_mono_ms, NULL};

	return (c);
}

int64_t
clock_wall_ms(const struct clock *c)
{
	return (c->wall_ms(c->ctx));
}

int64_t
clock_mono_ms(const struct clock *c)
{
	return (c->mono_ms(c->ctx));
}

void
clock_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
	/* rounded down, before 1970 too */
	const int ms = (int)((wall_ms % 1000 + 1000) % 1000);
	time_t seconds = (time_t)((wall_ms - ms) / 1000);
	char text[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
	memcpy(out, text, CLOCK_RFC3339_SIZE - 1);
	out[CLOCK_RFC3339_SIZE - 1] = '\0';
}
