/* free() and realloc() that leave nothing behind, for processes that handle secrets through
 * libraries. */
#include "base/wipefree.h"

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool enabled;

void
wipefree_enable(void)
{
	enabled = true;
}

#ifndef __SANITIZE_ADDRESS__

/* glibc's, under the names that it exports for this use. */
void *__libc_malloc(size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

void
free(void *p)
{
	if (enabled && p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	__libc_free(p);
}

void *
realloc(void *p, size_t size)
{
	size_t had;
	void *q;

	if (!enabled || p == NULL)
		return (__libc_realloc(p, size));
	if (size == 0) {
		free(p);
		return (NULL);
	}
	had = malloc_usable_size(p);
	if (size <= had && size > had / 2)
		return (p);
	if ((q = __libc_malloc(size)) == NULL)
		return (NULL);
	memcpy(q, p, had < size ? had : size);
	free(p);
	return (q);
}

#endif
