/* epochfile: what is saved is loaded, whenever the one who saves is killed; what is no mark is
 * told. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/epochfile.h"

#define MARK  "0191f6e4-8a40-4c1e-9b1d-3f0c5a7e2d11"
#define KILLS 40

static char dir[] = "/tmp/test_epochfile.XXXXXX";
static char path[64];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return (-1);
	snprintf(path, sizeof(path), "%s/epoch", dir);
	return (0);
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return (system(command));
}

static struct epoch
one(void)
{
	struct epoch e;

	assert_int_equal(epoch_set(&e, slice_of(MARK), slice_of("2026-11-25T01:02:03Z")), ERR_OK);
	return (e);
}

static void
is_loaded_as_saved(void **state)
{
	const struct epoch e = one();
	struct epoch loaded;
	struct stat st;

	(void)state;
	assert_int_equal(epochfile_load(path, &loaded), ERR_NOTFOUND);
	assert_int_equal(epochfile_save(path, &e), ERR_OK);
	assert_int_equal(epochfile_load(path, &loaded), ERR_OK);
	assert_memory_equal(&loaded.mark, &e.mark, sizeof(e.mark));
	assert_string_equal(loaded.made_at, e.made_at);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
faults_are_told(void **state)
{
	struct epoch e = one();
	int fd;

	(void)state;
	assert_int_equal(truncate(path, 40), 0);
	assert_int_equal(epochfile_load(path, &e), ERR_INVALID);
	assert_int_equal(epochfile_load(dir, &e), ERR_IO);
	assert_int_equal(epochfile_save(dir, &e), ERR_IO);
	assert_int_equal(epochfile_save("/nowhere/at/all", &e), ERR_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(epochfile_load(path, &e), ERR_IO); /* and it does not wait */
	assert_int_equal(unlink(path), 0);
	/* longer than any: its beginning alone would look whole */
	assert_int_equal(epochfile_save(path, &e), ERR_OK);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, path, sizeof(path)), sizeof(path));
	close(fd);
	assert_int_equal(epochfile_load(path, &e), ERR_INVALID);
}

/* Whoever is killed while it saves leaves the mark before, or the new one. */
static void
is_whole_after_a_kill(void **state)
{
	struct epoch e = one(), loaded;
	pid_t pid;
	int i;

	(void)state;
	assert_int_equal(epochfile_save(path, &e), ERR_OK);
	for (i = 0; i < KILLS; i++) {
		if ((pid = fork()) == 0) {
			for (;;) {
				e.mark.bytes[15]++;
				(void)!epochfile_save(path, &e);
			}
		}
		assert_true(pid > 0);
		usleep(2000 + 137 * (useconds_t)i);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(epochfile_load(path, &loaded), ERR_OK);
		assert_memory_equal(loaded.mark.bytes, e.mark.bytes, 15);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_loaded_as_saved),
	    cmocka_unit_test(faults_are_told),
	    cmocka_unit_test(is_whole_after_a_kill),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
