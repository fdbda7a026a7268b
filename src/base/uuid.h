#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

#define UUID_TEXT_SIZE 37 /* 36 characters and the NUL */

/** A UUID as its 16 bytes in network order (RFC 9562 §4). */
struct uuid {
	uint8_t bytes[16];
};

/**
 * uuid_v7(wall_ms, random, out):
 * Make a version 7 UUID (RFC 9562 §5.7) from the time and ${random}, 10 random bytes.
 */
void uuid_v7(int64_t wall_ms, const uint8_t random[10], struct uuid *out);

/**
 * uuid_parse(s, out):
 * Read the 8-4-4-4-12 form in either case, any version and variant.  ERR_INVALID: anything else.
 */
enum err uuid_parse(struct slice s, struct uuid *out) MUST_CHECK;

/**
 * uuid_text(u, out):
 * Write the lower-case 8-4-4-4-12 form and a NUL.
 */
void uuid_text(const struct uuid *u, char out[UUID_TEXT_SIZE]);

/**
 * uuid_equal(a, b):
 * Are they the same?
 */
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
