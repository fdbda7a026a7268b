/* Moments as people type them at a command: a time with its offset, or a number of days. */
#include "base/when.h"

#include <stdbool.h>

#define DAY_MS   (INT64_C(24) * 60 * 60 * 1000)
#define DAYS_MAX 36500

/* The last that a time in UTC can be written as: 9999-12-31T23:59:59.999Z. */
#define LAST_MS INT64_C(253402300799999)

/* Take ${n} digits off ${s}. */
static bool
digits(struct slice *s, size_t n, int64_t *out)
{
	uint64_t number;

	if (s->len < n || text_u64(slice_make(s->ptr, n), 9999, &number) != ERR_OK)
		return (false);
	*s = slice_skip(*s, n);
	*out = (int64_t)number;
	return (true);
}

/* Take one of the characters ${any} off ${s}. */
static bool
one_of(struct slice *s, const char *any, char *which)
{
	for (; *any != '\0'; any++) {
		if (s->len > 0 && s->ptr[0] == *any) {
			*which = *any;
			*s = slice_skip(*s, 1);
			return (true);
		}
	}
	return (false);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (the era method: years begin in March).
 */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
	int64_t in_year = (153 * m + 2) / 5 + day - 1;

	return (y * 365 + y / 4 - y / 100 + y / 400 + in_year - 719468);
}

/* "2030-01-31" as days. */
static bool
take_date(struct slice *s, int64_t *days)
{
	int64_t year, month, day, next;
	char c;

	if (!digits(s, 4, &year) || !one_of(s, "-", &c) || !digits(s, 2, &month) ||
	    !one_of(s, "-", &c) || !digits(s, 2, &day))
		return (false);
	if (year < 1970 || month < 1 || month > 12 || day < 1)
		return (false);
	next = month == 12 ? days_of(year + 1, 1, 1) : days_of(year, month + 1, 1);
	*days = days_of(year, month, day);
	return (*days < next);
}

/* ".25" as milliseconds; more than three digits are cut. */
static bool
take_fraction(struct slice *s, int64_t *ms)
{
	int64_t scale = 100, n = 0, digit;
	char c;

	*ms = 0;
	if (!one_of(s, ".", &c))
		return (true);
	for (; digits(s, 1, &digit); scale /= 10, n++)
		*ms += digit * scale;
	return (n > 0);
}

/* "12:00:00.5" as milliseconds of the day. */
static bool
take_time(struct slice *s, int64_t *ms)
{
	int64_t hour, minute, second, fraction;
	char c;

	if (!digits(s, 2, &hour) || !one_of(s, ":", &c) || !digits(s, 2, &minute) ||
	    !one_of(s, ":", &c) || !digits(s, 2, &second) || !take_fraction(s, &fraction))
		return (false);
	*ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
	return (hour <= 23 && minute <= 59 && second <= 59);
}

/* "Z" or "+01:00" as milliseconds east of UTC. */
static bool
take_offset(struct slice *s, int64_t *ms)
{
	int64_t hour, minute;
	char sign;

	*ms = 0;
	if (one_of(s, "Zz", &sign))
		return (true);
	if (!one_of(s, "+-", &sign) || !digits(s, 2, &hour) || s->len != 3 || s->ptr[0] != ':')
		return (false);
	*s = slice_skip(*s, 1);
	if (!digits(s, 2, &minute) || hour > 23 || minute > 59)
		return (false);
	*ms = (hour * 60 + minute) * 60000 * (sign == '-' ? -1 : 1);
	return (true);
}

enum err
when_rfc3339(struct slice s, int64_t *at_ms)
{
	int64_t days, time_ms, offset_ms, at;
	char c;

	if (!take_date(&s, &days) || !one_of(&s, "Tt ", &c) || !take_time(&s, &time_ms) ||
	    !take_offset(&s, &offset_ms) || s.len > 0)
		return (ERR_INVALID);
	at = days * DAY_MS + time_ms - offset_ms;
	if (at < 0 || at > LAST_MS)
		return (ERR_INVALID); /* its offset leads out of the years that there are */
	*at_ms = at;
	return (ERR_OK);
}

enum err
when_parse(struct slice s, int64_t now_ms, int sign, int64_t *at_ms)
{
	uint64_t n;

	if (s.len <= 1 || s.ptr[s.len - 1] != 'd')
		return (when_rfc3339(s, at_ms));
	if (text_u64(slice_make(s.ptr, s.len - 1), DAYS_MAX, &n) != ERR_OK || n == 0)
		return (ERR_INVALID);
	*at_ms = now_ms + sign * (int64_t)n * DAY_MS;
	return (ERR_OK);
}
