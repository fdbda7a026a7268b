#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* What every fuzz target includes: one function that libFuzzer, or replay_main.c, calls with an
 * input, and how it says that a promise is broken. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

/**
 * LLVMFuzzerTestOneInput(data, size):
 * Hold the parser of this target against its promises with the ${size} bytes at ${data}.  Ends the
 * process where one is broken; otherwise 0.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise: where it does not hold, the input is a find. */
#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/**
 * fuzz_is_utf8(s):
 * Is ${s} well-formed UTF-8 (RFC 3629, the table of §4)?  By other code than the product's.
 */
static inline bool
fuzz_is_utf8(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	size_t i = 0, k, more;
	uint8_t low, high;

	while (i < s.len) {
		low = 0x80;
		high = 0xbf;
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		if (p[i] < 0xc2 || p[i] > 0xf4)
			return (false);
		more = p[i] < 0xe0 ? 1 : p[i] < 0xf0 ? 2 : 3;
		if (p[i] == 0xe0)
			low = 0xa0;
		else if (p[i] == 0xed)
			high = 0x9f;
		else if (p[i] == 0xf0)
			low = 0x90;
		else if (p[i] == 0xf4)
			high = 0x8f;
		for (k = 1; k <= more; k++, low = 0x80, high = 0xbf) {
			if (i + k >= s.len || p[i + k] < low || p[i + k] > high)
				return (false);
		}
		i += more + 1;
	}
	return (true);
}

/**
 * fuzz_line(rest):
 * Take the first line off ${rest}: how an input of several fields is laid out.
 */
static inline struct slice
fuzz_line(struct slice *rest)
{
	struct slice line = {"", 0};

	(void)slice_split(rest, '\n', &line);
	return (line);
}

#endif
