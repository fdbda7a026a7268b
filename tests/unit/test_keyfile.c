/* keyfile: what is saved is loaded, with the right modes; what others may read, or is no keyring,
 * is refused. */
#include "adapters/keyfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "bytes.h"

#define PATH_LEN 128

/* A folder of its own, a file in it that is not there yet, two rings. */
struct fixture {
	char dir[PATH_LEN / 2], path[PATH_LEN], other[PATH_LEN];
	struct keyring *ring, *loaded;
};

static int
setup(void **st)
{
	static struct fixture f;

	strcpy(f.dir, "/tmp/test_keyfile.XXXXXX");
	if (mkdtemp(f.dir) == NULL)
		return (-1);
	snprintf(f.path, sizeof(f.path), "%s/keyring", f.dir);
	snprintf(f.other, sizeof(f.other), "%s/other", f.dir);
	f.ring = keyring_new();
	f.loaded = keyring_new();
	if (f.ring == NULL || f.loaded == NULL || keyring_add(f.ring, 1795492800123) != ERR_OK)
		return (-1);
	memset(f.loaded, 0x5a, sizeof(*f.loaded));
	*st = &f;
	return (0);
}

/* How many entries the folder has. */
static int
entries(const struct fixture *f)
{
	const struct dirent *d;
	DIR *dir = opendir(f->dir);
	int n = -2; /* . and .. */

	CHECK("opendir", dir != NULL);
	while ((d = readdir(dir)) != NULL)
		n++;
	closedir(dir);
	return (n);
}

static int
teardown(void **st)
{
	struct fixture *f = *st;

	keyring_free(f->ring);
	keyring_free(f->loaded);
	unlink(f->path);
	rmdir(f->path);
	unlink(f->other);
	return (rmdir(f->dir)); /* fails where a temporary file was left */
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	CHECK(path, stat(path, &st) == 0);
	return (st.st_mode & 07777);
}

static void
write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	FILE *out = fopen(path, "w");

	CHECK(path, out != NULL);
	CHECK(path, fwrite(text, 1, len, out) == len && fclose(out) == 0);
	CHECK(path, chmod(path, mode) == 0);
}

static void
test_round_trip(void **st)
{
	static const struct {
		const char *name;
		mode_t umask, mode;
		bool with_private;
	} rows[] = {
	    {"private", 0, 0600, true},
	    {"public", 077, 0644, false},
	    {"private, over a public one", 022, 0600, true},
	};
	struct fixture *f = *st;
	mode_t before;
	size_t i;

	for (i = 0; i < NELEMS(rows); i++) {
		before = umask(rows[i].umask);
		CHECK(rows[i].name,
		    keyfile_save(f->path, f->ring, rows[i].with_private, true) == ERR_OK);
		umask(before);
		CHECK(rows[i].name, mode_of(f->path) == rows[i].mode);
		CHECK(rows[i].name, entries(f) == 1);
		CHECK(rows[i].name, keyfile_load(f->path, f->loaded) == ERR_OK);
		CHECK(rows[i].name, f->loaded->has_private == rows[i].with_private);
		CHECK(rows[i].name, bytes_are(f->loaded->keys[0].private_key, KEYRING_KEY_LEN, 0) ==
					!rows[i].with_private);
		memcpy(
		    f->loaded->keys[0].private_key, f->ring->keys[0].private_key, KEYRING_KEY_LEN);
		f->loaded->has_private = true;
		CHECK(rows[i].name, memcmp(f->loaded, f->ring, sizeof(*f->ring)) == 0);
	}
}

static void
test_exists(void **st)
{
	struct fixture *f = *st;

	CHECK("new", keyfile_save(f->path, f->ring, true, false) == ERR_OK);
	CHECK("new: no other file", entries(f) == 1);
	CHECK("add", keyring_add(f->ring, 2) == ERR_OK);
	CHECK("exists", keyfile_save(f->path, f->ring, true, false) == ERR_EXISTS);
	CHECK("exists: no other file", entries(f) == 1);
	CHECK("load", keyfile_load(f->path, f->loaded) == ERR_OK && f->loaded->nkeys == 1);
	CHECK("replace", keyfile_save(f->path, f->ring, true, true) == ERR_OK);
	CHECK("load", keyfile_load(f->path, f->loaded) == ERR_OK && f->loaded->nkeys == 2);
}

/* What has the old file open goes on reading it whole: it was replaced, not written over. */
static void
test_replaces(void **st)
{
	struct fixture *f = *st;
	struct stat before, after;
	int fd;

	CHECK("save", keyfile_save(f->path, f->ring, true, false) == ERR_OK);
	CHECK("open", (fd = open(f->path, O_RDONLY)) >= 0);
	CHECK("fstat", fstat(fd, &before) == 0);
	CHECK("add", keyring_add(f->ring, 2) == ERR_OK);
	CHECK("save", keyfile_save(f->path, f->ring, true, true) == ERR_OK);
	CHECK("fstat", fstat(fd, &after) == 0 && after.st_size == before.st_size);
	CHECK("stat", stat(f->path, &after) == 0 && after.st_ino != before.st_ino);
	close(fd);
}

static void
test_keeps_owner(void **st)
{
	struct fixture *f = *st;
	struct stat now;

	if (geteuid() != 0)
		skip();
	CHECK("save", keyfile_save(f->path, f->ring, true, false) == ERR_OK);
	CHECK("chown", chown(f->path, 65534, 65533) == 0);
	CHECK("save", keyfile_save(f->path, f->ring, true, true) == ERR_OK);
	CHECK("stat", stat(f->path, &now) == 0);
	CHECK("owner", now.st_uid == 65534 && now.st_gid == 65533);
	CHECK("mode", (now.st_mode & 07777) == 0600);
}

static void
test_modes(void **st)
{
	static const struct {
		const char *name;
		mode_t mode;
		enum err private, public;
	} rows[] = {
	    {"0600", 0600, ERR_OK, ERR_OK},
	    {"0400", 0400, ERR_OK, ERR_OK},
	    {"0640", 0640, ERR_DENIED, ERR_OK},
	    {"0440", 0440, ERR_DENIED, ERR_OK},
	    {"0604", 0604, ERR_DENIED, ERR_OK},
	    {"0644", 0644, ERR_DENIED, ERR_OK},
	};
	struct fixture *f = *st;
	size_t i;

	CHECK("private", keyfile_save(f->path, f->ring, true, false) == ERR_OK);
	CHECK("public", keyfile_save(f->other, f->ring, false, false) == ERR_OK);
	for (i = 0; i < NELEMS(rows); i++) {
		CHECK(rows[i].name, chmod(f->path, rows[i].mode) == 0);
		CHECK(rows[i].name, chmod(f->other, rows[i].mode) == 0);
		CHECK(rows[i].name, keyfile_load(f->path, f->loaded) == rows[i].private);
		CHECK(rows[i].name,
		    rows[i].private == ERR_OK || bytes_are(f->loaded, sizeof(*f->loaded), 0));
		CHECK(rows[i].name, keyfile_load(f->other, f->loaded) == rows[i].public);
	}
}

/* systemd guards its credentials by the folder, and may grant access by an ACL, which shows as
 * 0440. */
static void
test_systemd_credential(void **st)
{
	static const struct {
		const char *name, *suffix;
		enum err want;
	} rows[] = {
	    {"in the folder", "", ERR_OK},
	    {"in a folder with a longer name", "x", ERR_DENIED},
	    {"in a folder below", "/..", ERR_DENIED},
	    {"a name that begins like this one", "/key", ERR_DENIED},
	};
	struct fixture *f = *st;
	char dir[PATH_LEN], path[PATH_LEN];
	size_t i;

	CHECK("save", keyfile_save(f->path, f->ring, true, false) == ERR_OK);
	CHECK("chmod", chmod(f->path, 0440) == 0);
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(dir, sizeof(dir), "%s%s", f->dir, rows[i].suffix);
		setenv("CREDENTIALS_DIRECTORY", dir, 1);
		CHECK(rows[i].name, keyfile_load(f->path, f->loaded) == rows[i].want);
	}
	setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
	CHECK("deeper", keyfile_load(f->path, f->loaded) == ERR_DENIED);
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	snprintf(path, sizeof(path), "%s/../%s/keyring", f->dir, strrchr(f->dir, '/') + 1);
	CHECK("out and in again", keyfile_load(path, f->loaded) == ERR_DENIED);
	setenv("CREDENTIALS_DIRECTORY", "", 1);
	CHECK("empty", keyfile_load(f->path, f->loaded) == ERR_DENIED);
	unsetenv("CREDENTIALS_DIRECTORY");
	CHECK("unset", keyfile_load(f->path, f->loaded) == ERR_DENIED);
}

static void
test_refuse(void **st)
{
	static char big[70000];
	struct fixture *f = *st;

	CHECK("none", keyfile_load(f->path, f->loaded) == ERR_NOTFOUND);
	CHECK("none: wiped", bytes_are(f->loaded, sizeof(*f->loaded), 0));
	write_file(f->path, "", 0, 0600);
	CHECK("empty", keyfile_load(f->path, f->loaded) == ERR_INVALID);
	write_file(f->path, "hello\n", 6, 0600);
	CHECK("text", keyfile_load(f->path, f->loaded) == ERR_INVALID);
	memset(big, '#', sizeof(big));
	write_file(f->path, big, sizeof(big), 0600);
	CHECK("too big", keyfile_load(f->path, f->loaded) == ERR_INVALID);
	unlink(f->path);
	CHECK("mkfifo", mkfifo(f->path, 0600) == 0);
	CHECK("a FIFO does not block", keyfile_load(f->path, f->loaded) == ERR_INVALID);
	unlink(f->path);
	CHECK("mkdir", mkdir(f->path, 0700) == 0);
	CHECK("folder", keyfile_load(f->path, f->loaded) != ERR_OK);
	CHECK("over a folder", keyfile_save(f->path, f->ring, true, true) == ERR_IO);
	CHECK("over a folder: no other file", entries(f) == 1);
	CHECK("no folder", keyfile_save("/nonexistent/keyring", f->ring, true, true) == ERR_IO);
}

/* A link in the file's place is neither followed nor replaced. */
static void
test_link(void **st)
{
	struct fixture *f = *st;
	struct stat now;

	CHECK("save", keyfile_save(f->other, f->ring, true, false) == ERR_OK);
	CHECK("symlink", symlink("other", f->path) == 0);
	CHECK("is read", keyfile_load(f->path, f->loaded) == ERR_OK);
	CHECK("add", keyring_add(f->ring, 2) == ERR_OK);
	CHECK("replace", keyfile_save(f->path, f->ring, true, true) == ERR_DENIED);
	CHECK("new", keyfile_save(f->path, f->ring, true, false) == ERR_EXISTS);
	CHECK("still a link", lstat(f->path, &now) == 0 && S_ISLNK(now.st_mode));
	CHECK("as it was", keyfile_load(f->other, f->loaded) == ERR_OK && f->loaded->nkeys == 1);
	CHECK("no other file", entries(f) == 2);
	unlink(f->other);
	CHECK("leads nowhere", keyfile_save(f->path, f->ring, true, true) == ERR_DENIED);
	CHECK("leads nowhere, new", keyfile_save(f->path, f->ring, true, false) == ERR_EXISTS);
}

static void
test_lock(void **st)
{
	struct fixture *f = *st;
	int first, second;

	CHECK("lock", keyfile_lock(f->path, 0, &first) == ERR_OK && first >= 0);
	CHECK("held", keyfile_lock(f->other, 60, &second) == ERR_TIMEOUT);
	keyfile_unlock(second);
	keyfile_unlock(first);
	CHECK("free", keyfile_lock(f->other, 0, &second) == ERR_OK);
	keyfile_unlock(second);
	snprintf(f->other, sizeof(f->other), "%s/none/keyring", f->dir);
	CHECK("no folder", keyfile_lock(f->other, 0, &second) == ERR_IO && second == -1);
	keyfile_unlock(second);
}

/* What a kill leaves is removed; what only looks a little like it stays. */
static void
test_sweep(void **st)
{
	static const struct {
		const char *name;
		bool stays;
	} rows[] = {
	    {"keyring.tmp-aB3xYz", false},
	    {"keyring.retired-f35e5616160a30bf.tmp-aB3xYz", false},
	    {"keyring", true},
	    {"keyring.backup", true},
	    {"keyring.retired-f35e5616160a30bf", true},
	    {"keyring.tmp-aB3xY", true},
	    {"keyring2.tmp-aB3xYz", true},
	    {"other.tmp-aB3xYz", true},
	    {"keyring.tmp-aB3xYz.old", true},
	};
	struct fixture *f = *st;
	size_t i;

	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(f->other, sizeof(f->other), "%s/%s", f->dir, rows[i].name);
		write_file(f->other, "x", 1, 0600);
	}
	keyfile_sweep(f->path);
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(f->other, sizeof(f->other), "%s/%s", f->dir, rows[i].name);
		CHECK(rows[i].name, (unlink(f->other) == 0) == rows[i].stays);
	}
}

static void
test_relative(void **st)
{
	struct fixture *f = *st;
	int before = open(".", O_RDONLY | O_DIRECTORY);

	CHECK("chdir", before >= 0 && chdir(f->dir) == 0);
	CHECK("save", keyfile_save("keyring", f->ring, true, false) == ERR_OK);
	CHECK("load", keyfile_load("keyring", f->loaded) == ERR_OK);
	CHECK("back", fchdir(before) == 0);
	close(before);
	CHECK("it was there", keyfile_load(f->path, f->loaded) == ERR_OK);
}

static int
group_setup(void **st)
{
	(void)st;
	unsetenv("CREDENTIALS_DIRECTORY");
	return (crypt_init() == ERR_OK ? 0 : -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_round_trip),
	    TEST(test_exists),
	    TEST(test_replaces),
	    TEST(test_keeps_owner),
	    TEST(test_modes),
	    TEST(test_systemd_credential),
	    TEST(test_refuse),
	    TEST(test_link),
	    TEST(test_lock),
	    TEST(test_sweep),
	    TEST(test_relative),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
