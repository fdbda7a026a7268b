/*
 * Memory that runs out, for LD_PRELOAD: of the allocations that the program itself makes (not its
 * libraries: libgcrypt and libfcgi end the process then), the one fails that the file named by
 * SCARCE says.  The file is mapped, so a test sets it while the program runs.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
    void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
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

/* What counts for dev/coverage allocates from within the program as it ends, and cannot do without.
 */
static int (*program_main)(int, char **, char **);

static int
main_and_no_more(int argc, char **argv, char **envp)
{
	int rc = program_main(argc, argv, envp);

	if (now != NULL)
		now->left = -1;
	return (rc);
}

int
__libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
    void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
	__typeof__(&__libc_start_main) next =
	    (__typeof__(&__libc_start_main))dlsym(RTLD_NEXT, "__libc_start_main");

	program_main = main;
	return (next(main_and_no_more, argc, argv, init, fini, rtld_fini, stack_end));
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
