/* mem: arenas, wiping, comparing, locked pages, hardening. */
#include "base/mem.h"

#include <grp.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"

#define UNUSED __attribute__((unused))

static bool
is_aligned(const void *p)
{
	return ((uintptr_t)p % alignof(max_align_t) == 0);
}

static void
test_arena_alloc(void **st)
{
	/* around the first block's 8 KiB, and far over it */
	static const size_t sizes[] = {
	    1, 2, 3, 7, 8, 15, 16, 17, 100, 4000, 8000, 8191, 8192, 8193, 100000, 1, 0, 5};
	struct arena *a = arena_new();
	uint8_t *p[NELEMS(sizes)];
	char row[64];
	size_t i;

	(void)st;
	CHECK("new", a != NULL);
	for (i = 0; i < NELEMS(sizes); i++) {
		snprintf(row, sizeof(row), "%zu bytes", sizes[i]);
		CHECK(row, (p[i] = arena_alloc(a, sizes[i])) != NULL);
		CHECK(row, is_aligned(p[i]));
		CHECK(row, bytes_are(p[i], sizes[i], 0));
		memset(p[i], (int)(i + 1), sizes[i]);
	}
	for (i = 0; i < NELEMS(sizes); i++) /* none lies in another */
		CHECK("kept", bytes_are(p[i], sizes[i], (uint8_t)(i + 1)));
	CHECK("too much", arena_alloc(a, SIZE_MAX) == NULL);
	CHECK("too much", arena_alloc(a, SIZE_MAX - alignof(max_align_t)) == NULL);
	CHECK("works on", arena_alloc(a, 1) != NULL);
	arena_free(a);
	arena_free(NULL);
}

static void
test_arena_reset(void **st)
{
	struct arena *a = arena_new();
	uint8_t *first, *again;
	int round;

	(void)st;
	CHECK("new", a != NULL);
	CHECK("first", (first = arena_alloc(a, 64)) != NULL);
	for (round = 0; round < 3; round++) {
		memset(first, 0xff, 64);
		CHECK("more blocks", arena_alloc(a, 9000) != NULL && arena_alloc(a, 90000) != NULL);
		arena_reset(a);
		CHECK("its first block is kept", (again = arena_alloc(a, 64)) == first);
		CHECK("zeroed again", bytes_are(again, 64, 0));
	}
	arena_free(a);
}

static void
test_arena_text(void **st)
{
	static char big[20000];
	struct arena *a = arena_new();
	char *p;

	(void)st;
	CHECK("new", a != NULL);
	CHECK("dup", (p = arena_dup(a, slice_make("abcdef", 3))) != NULL);
	assert_string_equal(p, "abc");
	CHECK("dup absent", (p = arena_dup(a, slice_of(NULL))) != NULL);
	assert_string_equal(p, "");
	CHECK("dup NUL", (p = arena_dup(a, slice_make("a\0b", 3))) != NULL);
	CHECK("dup NUL", memcmp(p, "a\0b", 4) == 0);
	CHECK("printf", (p = arena_printf(a, "%s-%d", "x", 42)) != NULL);
	assert_string_equal(p, "x-42");
	memset(big, 'b', sizeof(big) - 1);
	CHECK("printf long", (p = arena_printf(a, "%s!", big)) != NULL);
	CHECK("printf long", strlen(p) == sizeof(big) && p[sizeof(big) - 1] == '!');
	arena_free(a);
}

static void
test_wipe_and_equal(void **st)
{
	uint8_t a[40], b[40];
	size_t i;

	(void)st;
	memset(a, 0xff, sizeof(a));
	mem_wipe(a + 4, 32);
	CHECK("wiped", bytes_are(a + 4, 32, 0));
	CHECK("nothing else", bytes_are(a, 4, 0xff) && bytes_are(a + 36, 4, 0xff));
	mem_wipe(NULL, 0);
	mem_wipe(NULL, 5);
	memcpy(b, a, sizeof(a));
	CHECK("equal", mem_equal(a, b, sizeof(a)));
	for (i = 0; i < 8 * sizeof(a); i++) {
		b[i / 8] ^= (uint8_t)(1u << i % 8);
		CHECK("one bit", !mem_equal(a, b, sizeof(a)));
		CHECK("not looked at", mem_equal(a, b, i / 8));
		b[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	CHECK("two differences do not cancel out", !mem_equal("\x01\x01", "\x02\x02", 2));
	CHECK("nothing", mem_equal("a", "b", 0));
}

/* Does the kernel show ${flag} for the pages at ${p}? */
static bool
page_has(const void *p, const char *flag)
{
	unsigned long from, to, at = (unsigned long)(uintptr_t)p;
	bool here = false, found = false;
	char line[512];
	FILE *maps;

	CHECK("smaps", (maps = fopen("/proc/self/smaps", "r")) != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = from <= at && at < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(maps);
	return (found);
}

static const void *given_back; /* the pages that munmap() is to look at */
static bool were_wiped;

/* Instead of libc's: nobody can look at pages that are gone. */
int
munmap(void *p, size_t len)
{
	if (p == given_back)
		were_wiped = bytes_are(p, len, 0);
	return ((int)syscall(SYS_munmap, p, len));
}

static void
test_locked(void **st)
{
	uint8_t *p = mem_locked_new(5000);

	(void)st;
	CHECK("new", p != NULL);
	CHECK("zeroed", bytes_are(p, 5000, 0));
	memset(p, 1, 5000);
	CHECK("in no core dump", page_has(p, " dd"));
	CHECK("its last page too", page_has(p + 4999, " dd"));
#ifndef __SANITIZE_ADDRESS__ /* its mlock() does nothing */
	CHECK("locked", page_has(p, " lo"));
	CHECK("its last page too", page_has(p + 4999, " lo"));
#endif
	given_back = p;
	mem_locked_free(p, 5000);
	CHECK("wiped", were_wiped);
	given_back = NULL;
	mem_locked_free(NULL, 5000);
	CHECK("too much", mem_locked_new(SIZE_MAX / 2) == NULL);
}

/* Run ${body} in a child; did it return true? */
static bool UNUSED
in_child(bool (*body)(void))
{
	int status;
	pid_t pid;

	if ((pid = fork()) == 0)
		_exit(body() ? 0 : 1);
	CHECK("fork", pid > 0);
	CHECK("waitpid", waitpid(pid, &status, 0) == pid);
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool UNUSED
locked_without_memlock(void)
{
	const struct rlimit little = {16384, 16384};

	if (setrlimit(RLIMIT_MEMLOCK, &little) != 0)
		return (false);
	/* root may lock what it wants */
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setuid(65534) != 0))
		return (false);
	return (mem_locked_new(4096) != NULL && mem_locked_new(65536) == NULL);
}

static bool UNUSED
hardened(void)
{
	struct rlimit core;

	mem_harden();
	return (getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 &&
		prctl(PR_GET_DUMPABLE) == 0);
}

static void
test_limits(void **st)
{
	(void)st;
#ifdef __SANITIZE_ADDRESS__ /* its mlock() does nothing, and mem_harden() leaves it its ptrace */
	skip();
#else
	CHECK("RLIMIT_MEMLOCK 16 KiB", in_child(locked_without_memlock));
	CHECK("mem_harden", in_child(hardened));
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_arena_alloc),
	    cmocka_unit_test(test_arena_reset),
	    cmocka_unit_test(test_arena_text),
	    cmocka_unit_test(test_wipe_and_equal),
	    cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_limits),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
