/*
 * How long to wait until the next attempt: the schedule with its random part, and what a
 * destination asked for.  Pure: time and chance come from the caller, which is how the tests hold
 * them still.
 */
#include "domain/backoff.h"

#include <stdbool.h>
#include <string.h>

#define MS_PER_S   1000
#define S_PER_DAY  86400
#define SPREAD_PCT 20 /* the random part, to each side */

/** A calendar time, as it stands in an HTTP-date. */
struct moment {
	unsigned int year, month, day; /* month and day from 1 */
	unsigned int hour, minute, second;
};

static int64_t
cap(int64_t wait_ms)
{
	if (wait_ms < 0)
		return (0);
	return (wait_ms > BACKOFF_WAIT_MAX_MS ? BACKOFF_WAIT_MAX_MS : wait_ms);
}

int64_t
backoff_next_ms(const int64_t *schedule_s, size_t nschedule, unsigned int attempt, uint32_t random,
    int64_t wait_ms)
{
	int64_t base_ms, spread_ms, next_ms;

	if (attempt == 0 || attempt > nschedule)
		return (BACKOFF_OVER);
	base_ms = schedule_s[attempt - 1] * MS_PER_S;
	spread_ms = base_ms * SPREAD_PCT / 100;
	/* 2^32 values over [-spread, +spread]; a schedule's 30 days times 2^32 fit 63 bits */
	next_ms = base_ms - spread_ms +
		  (int64_t)((double)random / (double)UINT32_MAX * 2.0 * (double)spread_ms);
	return (cap(wait_ms) > next_ms ? cap(wait_ms) : next_ms);
}

int64_t
backoff_seconds_ms(double seconds)
{
	double ms = seconds * MS_PER_S;
	int64_t whole;

	if (!(ms > 0))
		return (0);
	if (ms >= (double)BACKOFF_WAIT_MAX_MS)
		return (BACKOFF_WAIT_MAX_MS);
	whole = (int64_t)ms;
	return (whole + ((double)whole < ms ? 1 : 0));
}

/* Take ${n} digits off ${s}; blanks may stand in for leading zeroes where ${padded}. */
static bool
take_digits(struct slice *s, size_t n, bool padded, unsigned int *out)
{
	uint64_t value;
	struct slice digits;

	if (s->len < n)
		return (false);
	digits = slice_make(s->ptr, n);
	if (padded && digits.ptr[0] == ' ')
		digits = slice_skip(digits, 1);
	if (text_u64(digits, 9999, &value) != ERR_OK)
		return (false);
	*out = (unsigned int)value;
	*s = slice_skip(*s, n);
	return (true);
}

static bool
take_text(struct slice *s, const char *text)
{
	if (!slice_starts(*s, slice_of(text)))
		return (false);
	*s = slice_skip(*s, strlen(text));
	return (true);
}

static bool
take_month(struct slice *s, unsigned int *month)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned int i;

	for (i = 0; i < 12; i++) {
		if (s->len >= 3 && memcmp(s->ptr, names + 3 * i, 3) == 0) {
			*month = i + 1;
			*s = slice_skip(*s, 3);
			return (true);
		}
	}
	return (false);
}

/* "08:49:37" */
static bool
take_time(struct slice *s, struct moment *m)
{
	return (take_digits(s, 2, false, &m->hour) && take_text(s, ":") &&
		take_digits(s, 2, false, &m->minute) && take_text(s, ":") &&
		take_digits(s, 2, false, &m->second));
}

/* Skip the name of the day, which says nothing that the date does not, up to and with ${behind}. */
static bool
skip_day_name(struct slice *s, const char *behind)
{
	while (s->len > 0 &&
	       ((s->ptr[0] >= 'A' && s->ptr[0] <= 'Z') || (s->ptr[0] >= 'a' && s->ptr[0] <= 'z')))
		*s = slice_skip(*s, 1);
	return (take_text(s, behind));
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool
read_imf(struct slice s, struct moment *m)
{
	return (skip_day_name(&s, ", ") && take_digits(&s, 2, false, &m->day) &&
		take_text(&s, " ") && take_month(&s, &m->month) && take_text(&s, " ") &&
		take_digits(&s, 4, false, &m->year) && take_text(&s, " ") && take_time(&s, m) &&
		take_text(&s, " GMT") && s.len == 0);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT"; the century is settled by whoever knows the present. */
static bool
read_rfc850(struct slice s, struct moment *m)
{
	return (skip_day_name(&s, ", ") && take_digits(&s, 2, false, &m->day) &&
		take_text(&s, "-") && take_month(&s, &m->month) && take_text(&s, "-") &&
		take_digits(&s, 2, false, &m->year) && take_text(&s, " ") && take_time(&s, m) &&
		take_text(&s, " GMT") && s.len == 0);
}

/* "Sun Nov  6 08:49:37 1994" */
static bool
read_asctime(struct slice s, struct moment *m)
{
	return (skip_day_name(&s, " ") && take_month(&s, &m->month) && take_text(&s, " ") &&
		take_digits(&s, 2, true, &m->day) && take_text(&s, " ") && take_time(&s, m) &&
		take_text(&s, " ") && take_digits(&s, 4, false, &m->year) && s.len == 0);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t
days_of(const struct moment *m)
{
	int64_t y = (int64_t)m->year - (m->month <= 2 ? 1 : 0), era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * ((int64_t)(m->month + 9) % 12) + 2) / 5 + (int64_t)m->day - 1;

	return (era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468);
}

static int64_t
moment_s(const struct moment *m)
{
	return (days_of(m) * S_PER_DAY + m->hour * 3600 + m->minute * 60 + m->second);
}

static bool
is_possible(const struct moment *m)
{
	return (m->day >= 1 && m->day <= 31 && m->hour <= 23 && m->minute <= 59 && m->second <= 60);
}

/* A year of two digits is the one within 50 years from now (RFC 9110 §5.6.7). */
static void
settle_century(struct moment *m, int64_t now_s)
{
	m->year += 2000;
	if (moment_s(m) - now_s > INT64_C(50) * 365 * S_PER_DAY)
		m->year -= 100;
}

static bool
is_digits(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
		continue;
	return (s.len > 0 && i == s.len);
}

int64_t
backoff_retry_after_ms(struct slice value, int64_t now_ms)
{
	struct moment m = {0, 1, 1, 0, 0, 0};
	uint64_t seconds;

	value = slice_trim(value);
	if (text_u64(value, INT64_MAX / MS_PER_S, &seconds) == ERR_OK)
		return (cap((int64_t)seconds * MS_PER_S));
	if (is_digits(value))
		return (BACKOFF_WAIT_MAX_MS); /* more seconds than a number holds */
	if (read_rfc850(value, &m))
		settle_century(&m, now_ms / MS_PER_S);
	else if (!read_imf(value, &m) && !read_asctime(value, &m))
		return (0);
	return (is_possible(&m) ? cap(moment_s(&m) * MS_PER_S - now_ms) : 0);
}
