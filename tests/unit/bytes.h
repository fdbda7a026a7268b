#ifndef TESTS_UNIT_BYTES_H
#define TESTS_UNIT_BYTES_H

/* Byte strings for tables: vectors are written in hex, as their sources print them. */
#include <string.h>

#include "base/text.h"
#include "check.h"

#define BYTES_MAX 512

struct bytes {
	uint8_t b[BYTES_MAX];
	size_t len;
};

/* Decode ${hex}, which must be good. */
static inline struct bytes
bytes_hex(const char *hex)
{
	struct bytes out;

	memset(&out, 0, sizeof(out));
	out.len = strlen(hex) / 2;
	CHECK(hex, out.len <= BYTES_MAX);
	CHECK(hex, text_unhex(slice_of(hex), out.b, out.len) == ERR_OK);
	return (out);
}

static inline struct slice
bytes_slice(const struct bytes *x)
{
	return (slice_make(x->b, x->len));
}

/* Are the ${len} bytes at ${p} all ${value}? */
static inline int
bytes_are(const void *p, size_t len, uint8_t value)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < len; i++) {
		if (b[i] != value)
			return (0);
	}
	return (1);
}

#endif
