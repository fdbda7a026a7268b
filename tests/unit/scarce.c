/* malloc() and its like, and calls on files, that fail when they are told to. */
#include "scarce.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	long memory_left, files_left; /* calls that still succeed; -1: all */
	bool for_good, hit;
	enum scarce_how how;
	long live;
} now = {.memory_left = -1, .files_left = -1};

void
scarce_memory(long n, bool for_good)
{
	now.hit = false;
	now.for_good = for_good;
	now.memory_left = n;
}

void
scarce_files(long n, enum scarce_how how)
{
	now.hit = false;
	now.how = how;
	now.files_left = n;
}

bool
scarce_end(void)
{
	now.memory_left = now.files_left = -1;
	return (now.hit);
}

long
scarce_live(void)
{
	return (now.live);
}

#ifndef __SANITIZE_ADDRESS__

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

/*
 * Is ${caller} in libgcrypt?  Without memory for its numbers it ends the process, and there is no
 * other way to be had of it: a worker or courier is started anew then, and what was not
 * acknowledged is asked for again.
 */
static bool
is_gcrypt(const void *caller)
{
	Dl_info where;

	return (dladdr(caller, &where) != 0 && where.dli_fname != NULL &&
		strstr(where.dli_fname, "libgcrypt") != NULL);
}

/* Does this allocation of ${caller} fail? */
static bool
is_out(const void *caller)
{
	if (now.memory_left < 0 || is_gcrypt(caller))
		return (false);
	if (now.memory_left > 0) {
		now.memory_left--;
		return (false);
	}
	now.hit = true;
	if (!now.for_good)
		now.memory_left = -1;
	errno = ENOMEM;
	return (true);
}

static void *
counted(void *p)
{
	now.live += p != NULL;
	return (p);
}

void *
malloc(size_t size)
{
	return (is_out(__builtin_return_address(0)) ? NULL : counted(__libc_malloc(size)));
}

void *
calloc(size_t n, size_t size)
{
	return (is_out(__builtin_return_address(0)) ? NULL : counted(__libc_calloc(n, size)));
}

void *
realloc(void *p, size_t size)
{
	if (is_out(__builtin_return_address(0)))
		return (NULL);
	return (p == NULL ? counted(__libc_realloc(p, size)) : __libc_realloc(p, size));
}

void
free(void *p)
{
	now.live -= p != NULL;
	__libc_free(p);
}

int
mlock(const void *p, size_t len)
{
	return (is_out(__builtin_return_address(0)) ? -1 : (int)syscall(SYS_mlock, p, len));
}

/* Is this the call on a file that is made to fail? */
static bool
is_spoilt(void)
{
	if (now.files_left < 0 || now.files_left-- > 0)
		return (false);
	now.hit = true;
	return (true);
}

/* What stands in place of a spoilt call that cannot be short. */
static bool
fails(void)
{
	if (!is_spoilt() || now.how == SCARCE_SHORT || now.how == SCARCE_EINTR)
		return (false);
	errno = now.how == SCARCE_EIO ? EIO : ENOSPC;
	return (true);
}

/* How much of ${len} a call may move; -1: it fails. */
static ssize_t
share(size_t len)
{
	static const int errors[SCARCE__MAX] = {0, EINTR, ENOSPC, EIO};

	if (!is_spoilt())
		return ((ssize_t)len);
	if (now.how == SCARCE_SHORT)
		return (len > 0 ? 1 : 0);
	errno = errors[now.how];
	return (-1);
}

ssize_t
read(int fd, void *to, size_t len)
{
	ssize_t n = share(len);

	return (n < 0 ? n : (ssize_t)syscall(SYS_read, fd, to, (size_t)n));
}

ssize_t
write(int fd, const void *from, size_t len)
{
	ssize_t n = share(len);

	return (n < 0 ? n : (ssize_t)syscall(SYS_write, fd, from, (size_t)n));
}

int
fsync(int fd)
{
	return (fails() ? -1 : (int)syscall(SYS_fsync, fd));
}

int
rename(const char *from, const char *to)
{
	return (fails() ? -1 : (int)syscall(SYS_rename, from, to));
}

int
link(const char *from, const char *to)
{
	return (fails() ? -1 : (int)syscall(SYS_link, from, to));
}

int
fchmod(int fd, mode_t mode)
{
	return (fails() ? -1 : (int)syscall(SYS_fchmod, fd, mode));
}

#endif
