/* Arenas for what a request needs, and the care that secrets want: wiping, locking, no dumps. */
#include "base/mem.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define BLOCK_SIZE 8192 /* bytes; most requests need one block */
#define SMALL_SIZE 1000 /* for a few names and numbers; with what malloc adds, in its cache */

struct block {
	struct block *next;
	size_t cap, used; /* bytes of data */
	alignas(max_align_t) char data[];
};

struct arena {
	struct block *head; /* the block being filled; the oldest is last */
};

/* Put a new block of ${cap} bytes in front. */
static enum err
arena_grow(struct arena *a, size_t cap)
{
	struct block *b;

	if (cap > SIZE_MAX - sizeof(*b) || (b = malloc(sizeof(*b) + cap)) == NULL)
		return (ERR_NOMEM);
	b->next = a->head;
	b->cap = cap;
	b->used = 0;
	a->head = b;
	return (ERR_OK);
}

/* Make an arena whose first block is of ${first} bytes. */
static struct arena *
make(size_t first)
{
	struct arena *a;

	if ((a = calloc(1, sizeof(*a))) == NULL)
		return (NULL);
	if (arena_grow(a, first) != ERR_OK) {
		free(a);
		return (NULL);
	}
	return (a);
}

struct arena *
arena_new(void)
{
	return (make(BLOCK_SIZE));
}

struct arena *
arena_small_new(void)
{
	return (make(SMALL_SIZE));
}

void
arena_reset(struct arena *a)
{
	struct block *b;

	while ((b = a->head)->next != NULL) {
		a->head = b->next;
		free(b);
	}
	b->used = 0;
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_reset(a);
	free(a->head);
	free(a);
}

void *
arena_alloc(struct arena *a, size_t size)
{
	const size_t unit = alignof(max_align_t);
	struct block *b = a->head;
	void *p;

	if (size > SIZE_MAX - unit)
		return (NULL);
	size = (size + unit - 1) / unit * unit;
	if (size > b->cap - b->used) {
		if (arena_grow(a, size > BLOCK_SIZE ? size : BLOCK_SIZE) != ERR_OK)
			return (NULL);
		b = a->head;
	}
	p = b->data + b->used;
	b->used += size;
	return (memset(p, 0, size));
}

char *
arena_dup(struct arena *a, struct slice s)
{
	char *p;

	if (s.len == SIZE_MAX || (p = arena_alloc(a, s.len + 1)) == NULL)
		return (NULL);
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	return (p);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || (p = arena_alloc(a, (size_t)n + 1)) == NULL)
		return (NULL);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (p);
}

void
mem_wipe(void *p, size_t len)
{
	if (p != NULL && len > 0)
		explicit_bzero(p, len);
}

bool
mem_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;
	size_t i;

	for (i = 0; i < len; i++)
		diff |= (uint8_t)(x[i] ^ y[i]);
	return (diff == 0);
}

void *
mem_locked_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return (NULL);
	if (mlock(p, size) != 0 || madvise(p, size, MADV_DONTDUMP) != 0) {
		munmap(p, size);
		return (NULL);
	}
	return (p);
}

void
mem_locked_free(void *p, size_t size)
{
	if (p == NULL)
		return;
	mem_wipe(p, size);
	munmap(p, size);
}

void
mem_harden(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* LeakSanitizer reads its own process by ptrace */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}
