/* Growing bytes for answers, statements' arrays and log lines; growth wipes what it leaves behind.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUF_FIRST 256 /* bytes of the first allocation */

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_clear(struct buf *b)
{
	mem_wipe(b->ptr, b->cap);
	free(b->ptr);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Move to where ${need} bytes fit.  realloc() would leave the old bytes behind unwiped. */
static bool
buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap == 0 ? BUF_FIRST : b->cap;
	char *p;

	while (cap < need)
		cap *= 2;
	if ((p = malloc(cap)) == NULL) {
		b->failed = true;
		return (false);
	}
	if (b->len > 0)
		memcpy(p, b->ptr, b->len);
	mem_wipe(b->ptr, b->cap);
	free(b->ptr);
	b->ptr = p;
	b->cap = cap;
	return (true);
}

/* Make room for ${more} bytes and a NUL. */
static inline bool
buf_room(struct buf *b, size_t more)
{
	if (b->failed || more > b->max - b->len) {
		b->failed = true;
		return (false);
	}
	return (more < b->cap - b->len || buf_grow(b, b->len + more + 1));
}

void
buf_add(struct buf *b, struct slice s)
{
	if (!buf_room(b, s.len) || s.len == 0)
		return;
	memcpy(b->ptr + b->len, s.ptr, s.len);
	b->len += s.len;
}

void
buf_addc(struct buf *b, char c)
{
	if (buf_room(b, 1))
		b->ptr[b->len++] = c;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t had = b->cap - b->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(had == 0 ? NULL : b->ptr + b->len, had, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_room(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	if ((size_t)n >= had) { /* it did not fit, and now it does */
		va_start(ap, fmt);
		vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void
buf_fail(struct buf *b)
{
	b->failed = true;
}

bool
buf_ok(const struct buf *b)
{
	return (!b->failed);
}

struct slice
buf_slice(const struct buf *b)
{
	return (slice_make(b->ptr == NULL ? "" : b->ptr, b->len));
}

const char *
buf_str(struct buf *b)
{
	if (b->failed || b->ptr == NULL)
		return ("");
	b->ptr[b->len] = '\0';
	return (b->ptr);
}
