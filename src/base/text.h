#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/**
 * Bytes that somebody else owns, with their length.  May hold any byte, NUL included; is not
 * terminated.  {NULL, 0} means "absent"; {non-NULL, 0} is an empty string.
 */
struct slice {
	const char *ptr;
	size_t len; /* bytes */
};

/* The small ones stand here, since nearly every line of the house calls them: inline they cost
 * nothing. */

/* The slice of a string literal, usable in initialisers. */
#define SLICE_LIT(s)               \
	{                          \
		(s), sizeof(s) - 1 \
	}

/**
 * slice_of(str):
 * Return the slice of the NUL-terminated ${str}, which may be NULL (then: absent).
 */
static inline struct slice
slice_of(const char *str)
{
	struct slice s = {str, str == NULL ? 0 : strlen(str)};

	return (s);
}

/**
 * slice_make(ptr, len):
 * Return the slice of the ${len} bytes at ${ptr}.
 */
static inline struct slice
slice_make(const void *ptr, size_t len)
{
	struct slice s = {ptr, len};

	return (s);
}

/**
 * slice_eq(a, b), slice_eq_nocase(a, b):
 * Are ${a} and ${b} the same bytes?  The second folds ASCII letters only.  Not constant-time.
 */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_nocase(struct slice a, struct slice b);

/**
 * slice_starts(s, prefix), slice_ends_nocase(s, suffix):
 * Does ${s} begin with ${prefix} (as bytes), end with ${suffix} (ASCII letters folded)?
 */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/**
 * slice_skip(s, n):
 * Return ${s} without its first ${n} bytes (empty where it is shorter).
 */
static inline struct slice
slice_skip(struct slice s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return (slice_make(n == 0 ? s.ptr : s.ptr + n, s.len - n));
}

/**
 * slice_trim(s):
 * Return ${s} without the blanks and tabs at both ends.
 */
struct slice slice_trim(struct slice s);

/**
 * slice_split(rest, sep, part):
 * Put what stands in ${rest} before the first ${sep} into ${part} and leave in ${rest} what
 * stands after it (absent where there was no ${sep}).  Return false where ${rest} is absent:
 * so "a,b" gives two parts, "" one empty part.
 */
bool slice_split(struct slice *rest, char sep, struct slice *part);

/**
 * text_u64(s, max, out):
 * Parse ${s}, decimal digits alone, into ${out}.  ERR_INVALID: empty, other bytes, over ${max}.
 */
enum err text_u64(struct slice s, uint64_t max, uint64_t *out) MUST_CHECK;

/**
 * text_hex(bytes, len, out):
 * Write ${len} bytes as 2 * ${len} lower-case hex digits and a NUL to ${out}.
 */
void text_hex(const uint8_t *bytes, size_t len, char *out);

/**
 * text_unhex(s, out, out_len):
 * Decode ${s}, exactly 2 * ${out_len} hex digits of either case, into ${out}.
 * ERR_INVALID: another length or another character.
 */
enum err text_unhex(struct slice s, uint8_t *out, size_t out_len) MUST_CHECK;

/* Bytes that the base64 of ${n} bytes takes, without a NUL. */
#define TEXT_BASE64_LEN(n) (((n) + 2) / 3 * 4)

/**
 * text_base64(bytes, len, out):
 * Write ${len} bytes in base64 (RFC 4648 §4, padded) and a NUL to ${out}, which has room for
 * TEXT_BASE64_LEN(len) + 1 bytes.
 */
void text_base64(const uint8_t *bytes, size_t len, char *out);

/**
 * text_unbase64(s, out, out_cap, out_len):
 * Decode ${s}, base64 with or without its padding, into ${out}; the count goes to ${out_len}.
 * ERR_INVALID: another character, or a length that no bytes give.  ERR_SPACE: over ${out_cap}.
 */
enum err text_unbase64(struct slice s, uint8_t *out, size_t out_cap, size_t *out_len) MUST_CHECK;

/**
 * text_utf8_put(c, out):
 * Write the code point ${c}, at most U+10FFFF, as UTF-8; return how many bytes that took.
 */
size_t text_utf8_put(uint32_t c, char out[4]);

/**
 * text_utf8_next(s, codepoint):
 * Return how many bytes the first code point of ${s} takes and put it into ${codepoint};
 * 0 where ${s} is empty or does not begin with well-formed UTF-8 (RFC 3629: no overlong
 * forms, no surrogates, nothing over U+10FFFF).
 */
size_t text_utf8_next(struct slice s, uint32_t *codepoint);

/**
 * text_utf8_count(s):
 * Return the number of code points in ${s}, which must be valid UTF-8; SIZE_MAX where it is not.
 */
size_t text_utf8_count(struct slice s);

/**
 * text_utf8_cut(s, n):
 * Return the longest prefix of the UTF-8 text ${s} of at most ${n} bytes that ends on a code point.
 */
struct slice text_utf8_cut(struct slice s, size_t n);

/**
 * text_nearest(word, known, nknown):
 * Return the entry of ${known} that ${word} was most likely meant to be (edit distance with
 * ASCII case and '_', '-' folded away, at most a third of the word's length), or NULL.
 * A ${word} longer than 64 bytes is nobody's misspelling.
 */
const char *text_nearest(struct slice word, const char *const known[], size_t nknown);

#endif
