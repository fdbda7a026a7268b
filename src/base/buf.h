#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/text.h"

/**
 * Bytes that grow.  A failure (no memory, over ${max}) sticks: later calls do nothing and
 * buf_ok() tells at the end, so that callers need not look after each piece.
 */
struct buf {
	char *ptr;  /* NULL while nothing was put in */
	size_t len; /* bytes in use */
	size_t cap; /* bytes there are */
	size_t max; /* bytes allowed */
	bool failed;
};

/**
 * buf_init(b, max), buf_clear(b):
 * Make ${b} empty with a limit of ${max} bytes; wipe and free what it holds (it may be used again).
 */
void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b);

/**
 * buf_reset(b):
 * Forget the content and the failure, keep the memory.  Not a wipe.
 */
void buf_reset(struct buf *b);

/**
 * buf_add(b, s), buf_addc(b, c), buf_printf(b, fmt, ...):
 * Append bytes, one character, formatted text.
 */
void buf_add(struct buf *b, struct slice s);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * buf_fail(b):
 * As if there had been no memory: something that belongs into ${b} could not be made.
 */
void buf_fail(struct buf *b);

/**
 * buf_ok(b):
 * Did everything that was appended fit?
 */
bool buf_ok(const struct buf *b);

/**
 * buf_slice(b), buf_str(b):
 * The content as a slice, or NUL-terminated (never NULL; "" where it failed).  Valid until the next
 * change.
 */
struct slice buf_slice(const struct buf *b);
const char *buf_str(struct buf *b);

#endif
