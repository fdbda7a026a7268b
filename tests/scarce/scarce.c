/*
 * Memory that runs out, for LD_PRELOAD: of the allocations that the program itself makes (not its
 * libraries: libgcrypt and libfcgi end the process then), the one fails that the file named by
 * SCARCE says.  The file is mapped, so a test sets it while the program runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);

/** What the file holds. */
struct scarce {
	int64_t left;  /* allocations that still succeed; below 0: all */
	int64_t every; /* behind one that failed, so many succeed again; below 0: all */
	int64_t hits;  /* allocations that have failed */
};

static struct scarce *now;
static uintptr_t program_begin, program_end;

/* The first object is the program; where its code lies. */
static int
find_program(struct dl_phdr_info *info, size_t size, void *ctx)
{
	size_t i;

	(void)size;
	(void)ctx;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_LOAD &&
		    (info->dlpi_phdr[i].p_flags & PF_X) != 0) {
			program_begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			program_end = program_begin + info->dlpi_phdr[i].p_memsz;
		}
	}
	return (1);
}

/* Who has no such file goes on as ever. */
__attribute__((constructor)) static void
open_file(void)
{
	const char *path = getenv("SCARCE");
	const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return;
	(void)close(fd);
	dl_iterate_phdr(find_program, NULL);
	now = at;
}

/* Does this allocation of ${caller} fail? */
static int
is_out(const void *caller)
{
	const uintptr_t at = (uintptr_t)caller;

	if (now == NULL || at < program_begin || at >= program_end || now->left < 0)
		return (0);
	if (now->left > 0) {
		now->left--;
		return (0);
	}
	now->left = now->every;
	now->hits++;
	errno = ENOMEM;
	return (1);
}

void *
malloc(size_t size)
{
	return (is_out(__builtin_return_address(0)) ? NULL : __libc_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	return (is_out(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size));
}
