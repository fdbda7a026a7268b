/* Slices, numbers, hex, UTF-8 and "did you mean": what every parser of the house stands on. */
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define NEAREST_MAX 64 /* bytes of a word that may be a misspelling */

bool
slice_eq(struct slice a, struct slice b)
{
	return (a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0));
}

/* Lower-case an ASCII letter whatever the locale says. */
static char
fold(char c)
{
	return ((c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c);
}

bool
slice_eq_nocase(struct slice a, struct slice b)
{
	size_t i;

	if (a.len != b.len)
		return (false);
	for (i = 0; i < a.len; i++) {
		if (fold(a.ptr[i]) != fold(b.ptr[i]))
			return (false);
	}
	return (true);
}

bool
slice_starts(struct slice s, struct slice prefix)
{
	return (s.len >= prefix.len && slice_eq(slice_make(s.ptr, prefix.len), prefix));
}

bool
slice_ends_nocase(struct slice s, struct slice suffix)
{
	return (s.len >= suffix.len && slice_eq_nocase(slice_skip(s, s.len - suffix.len), suffix));
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = slice_skip(s, 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return (s);
}

bool
slice_split(struct slice *rest, char sep, struct slice *part)
{
	const char *at;

	if (rest->ptr == NULL)
		return (false);
	*part = *rest;
	if (rest->len > 0 && (at = memchr(rest->ptr, sep, rest->len)) != NULL) {
		part->len = (size_t)(at - rest->ptr);
		*rest = slice_skip(*rest, part->len + 1);
	} else {
		*rest = slice_make(NULL, 0);
	}
	return (true);
}

enum err
text_u64(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0, digit;
	size_t i;

	if (s.len == 0)
		return (ERR_INVALID);
	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return (ERR_INVALID);
		digit = (uint64_t)(s.ptr[i] - '0');
		if (n > (UINT64_MAX - digit) / 10)
			return (ERR_INVALID);
		n = n * 10 + digit;
	}
	if (n > max)
		return (ERR_INVALID);
	*out = n;
	return (ERR_OK);
}

void
text_hex(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

/* The value of a hex digit, or -1. */
static int
unhex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	c = fold(c);
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	return (-1);
}

enum err
text_unhex(struct slice s, uint8_t *out, size_t out_len)
{
	size_t i;
	int hi, lo;

	if (s.len / 2 != out_len || s.len % 2 != 0)
		return (ERR_INVALID);
	for (i = 0; i < out_len; i++) {
		hi = unhex_digit(s.ptr[2 * i]);
		lo = unhex_digit(s.ptr[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return (ERR_INVALID);
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return (ERR_OK);
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
text_base64(const uint8_t *bytes, size_t len, char *out)
{
	uint32_t three;
	size_t i, n;

	for (; len > 0; bytes += n, len -= n) {
		n = len < 3 ? len : 3;
		three = (uint32_t)bytes[0] << 16 | (n > 1 ? (uint32_t)bytes[1] << 8 : 0) |
			(n > 2 ? bytes[2] : 0);
		for (i = 0; i < 4; i++)
			*out++ = (char)(i > n ? '=' : base64_digits[three >> (18 - 6 * i) & 63]);
	}
	*out = '\0';
}

enum err
text_unbase64(struct slice s, uint8_t *out, size_t out_cap, size_t *out_len)
{
	const char *digit;
	uint32_t bits = 0;
	size_t i, n = 0;

	if (s.len % 4 == 0 && s.len > 0 && s.ptr[s.len - 1] == '=')
		s.len -= s.ptr[s.len - 2] == '=' ? 2 : 1;
	if (s.len % 4 == 1)
		return (ERR_INVALID);
	if (s.len / 4 * 3 + (s.len % 4 == 0 ? 0 : s.len % 4 - 1) > out_cap)
		return (ERR_SPACE);
	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\0' || (digit = strchr(base64_digits, s.ptr[i])) == NULL)
			return (ERR_INVALID);
		bits = bits << 6 | (uint32_t)(digit - base64_digits);
		if (i % 4 != 0)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	*out_len = n;
	return (ERR_OK);
}

/* How many bytes a sequence that begins with ${lead} takes, and the bounds of its second byte. */
static size_t
utf8_shape(uint8_t lead, uint8_t *lo, uint8_t *hi)
{
	*lo = 0x80;
	*hi = 0xbf;
	if (lead >= 0xc2 && lead <= 0xdf)
		return (2);
	if (lead >= 0xe0 && lead <= 0xef) {
		if (lead == 0xe0)
			*lo = 0xa0; /* overlong below */
		if (lead == 0xed)
			*hi = 0x9f; /* surrogates above */
		return (3);
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		if (lead == 0xf0)
			*lo = 0x90; /* overlong below */
		if (lead == 0xf4)
			*hi = 0x8f; /* over U+10FFFF above */
		return (4);
	}
	return (0);
}

size_t
text_utf8_next(struct slice s, uint32_t *codepoint)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	uint8_t lo, hi;
	size_t n, i;

	if (s.len == 0)
		return (0);
	if (p[0] < 0x80) {
		*codepoint = p[0];
		return (1);
	}
	if ((n = utf8_shape(p[0], &lo, &hi)) == 0 || n > s.len || p[1] < lo || p[1] > hi)
		return (0);
	*codepoint = p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return (0);
		*codepoint = *codepoint << 6 | (p[i] & 0x3fu);
	}
	return (n);
}

size_t
text_utf8_put(uint32_t c, char out[4])
{
	static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;

	for (i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(lead[n] | c);
	return (n);
}

size_t
text_utf8_count(struct slice s)
{
	uint32_t cp;
	size_t count = 0, n;

	while (s.len > 0) {
		if ((n = text_utf8_next(s, &cp)) == 0)
			return (SIZE_MAX);
		s = slice_skip(s, n);
		count++;
	}
	return (count);
}

struct slice
text_utf8_cut(struct slice s, size_t n)
{
	if (s.len <= n)
		return (s);
	while (n > 0 && ((uint8_t)s.ptr[n] & 0xc0) == 0x80)
		n--;
	return (slice_make(s.ptr, n));
}

/* Copy ${s} to ${out} without case and word separators, so that webhook_url is webhookUrl. */
static size_t
squash(struct slice s, char out[static NEAREST_MAX])
{
	size_t i, n = 0;

	for (i = 0; i < s.len && n < NEAREST_MAX; i++) {
		if (s.ptr[i] != '_' && s.ptr[i] != '-')
			out[n++] = fold(s.ptr[i]);
	}
	return (n);
}

/* Levenshtein's distance by the two-row method. */
static size_t
distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t row[NEAREST_MAX + 1], i, j, diagonal, above, best;

	for (j = 0; j <= blen; j++)
		row[j] = j;
	for (i = 1; i <= alen; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= blen; j++) {
			above = row[j];
			best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return (row[blen]);
}

const char *
text_nearest(struct slice word, const char *const known[], size_t nknown)
{
	char a[NEAREST_MAX], b[NEAREST_MAX];
	size_t alen, blen, i, d, best = SIZE_MAX;
	const char *found = NULL;

	if (word.len > NEAREST_MAX)
		return (NULL);
	alen = squash(word, a);
	for (i = 0; i < nknown; i++) {
		blen = squash(slice_of(known[i]), b);
		d = distance(a, alen, b, blen);
		if (d <= alen / 3 && d < best) {
			best = d;
			found = known[i];
		}
	}
	return (found);
}
