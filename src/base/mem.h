#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/** Memory that is taken piece by piece and given back at once.  Not for secrets. */
struct arena;

/**
 * arena_new(), arena_small_new(), arena_free(a):
 * Make an empty arena (NULL: no memory), one whose first block is small, since what is given back
 * is wiped, used or not; give everything back.  arena_free() takes NULL.
 */
struct arena *arena_new(void);
struct arena *arena_small_new(void);
void arena_free(struct arena *a);

/**
 * arena_reset(a):
 * Forget all that was taken from ${a}; its first block is kept for what comes next.
 */
void arena_reset(struct arena *a);

/**
 * arena_alloc(a, size):
 * Return ${size} zeroed bytes, aligned for any type, that live as long as ${a}.  NULL: no memory.
 */
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;

/**
 * arena_dup(a, s), arena_printf(a, fmt, ...):
 * Return a NUL-terminated copy of ${s}, or the formatted text, in ${a}.  NULL: no memory.
 */
char *arena_dup(struct arena *a, struct slice s) MUST_CHECK;
char *arena_printf(struct arena *a, const char *fmt, ...) MUST_CHECK
    __attribute__((format(printf, 2, 3)));

/**
 * mem_wipe(p, len):
 * Overwrite ${len} bytes at ${p} in a way that the compiler may not leave out.  ${p} may be NULL.
 */
void mem_wipe(void *p, size_t len);

/**
 * mem_equal(a, b, len):
 * Are the ${len} bytes at ${a} and ${b} the same?  Takes the same time whatever they hold.
 */
bool mem_equal(const void *a, const void *b, size_t len);

/**
 * mem_locked_new(size), mem_locked_free(p, size):
 * Return ${size} zeroed bytes in pages of their own that are never swapped and in no core dump;
 * NULL where the kernel refuses (RLIMIT_MEMLOCK).  The free wipes them first and takes NULL.
 */
void *mem_locked_new(size_t size) MUST_CHECK;
void mem_locked_free(void *p, size_t size);

/**
 * mem_harden():
 * For a process that will hold secrets: no core dumps, and no ptrace by its own user.
 */
void mem_harden(void);

#endif
