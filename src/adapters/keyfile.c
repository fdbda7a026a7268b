/*
 * Keyring files on disk: read into locked memory alone, written so that a crash leaves a whole
 * file. Serves every program at start, and sigsentryctl's keyring commands.
 */
#include "adapters/keyfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define FILE_SIZE_MAX 65536 /* bytes; 32 private keys take 6,000, the rest may be comments */
#define LOCK_POLL_MS  50

/* What the name of a temporary file has behind the name of the file that it is to become. */
static const char tmp_suffix[] = ".tmp-XXXXXX";
#define TMP_MARK_LEN strlen(".tmp-")

/* Log why ${op} did not work on ${path}; ${errnum} 0: ${reason} says it. */
static enum err
fail(const char *op, const char *path, enum err e, const char *reason, int errnum)
{
	log_error(op, LOG_STR("path", path), LOG_STR("err", err_word(e)), LOG_STR("step", reason),
	    LOG_STR("reason", errnum == 0 ? NULL : strerror(errnum)));
	return (e);
}

/* Read all of ${fd} into ${text}.  ERR_SPACE: there is more than ${cap} bytes of it. */
static enum err
read_all(int fd, char *text, size_t cap, size_t *len)
{
	ssize_t n;

	for (*len = 0;; *len += (size_t)n) {
		if (*len == cap)
			return (ERR_SPACE);
		n = read(fd, text + *len, cap - *len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return (ERR_IO);
		else if (n == 0)
			return (ERR_OK);
	}
}

/*
 * Is ${path} one of the credentials that systemd made for this service?  systemd guards that folder
 * itself, and where it grants access by an ACL, the ACL's mask shows as the group's bits.
 */
static bool
is_systemd_credential(const char *path)
{
	const struct slice dir = slice_of(getenv("CREDENTIALS_DIRECTORY"));
	struct slice name;

	if (dir.len == 0 || !slice_starts(slice_of(path), dir))
		return (false);
	name = slice_skip(slice_of(path), dir.len);
	return (name.len > 1 && name.ptr[0] == '/' && strchr(name.ptr + 1, '/') == NULL);
}

/* Read the open file ${fd} into ${ring}, by way of ${text}. */
static enum err
load_fd(int fd, const char *path, char *text, struct keyring *ring)
{
	static const char op[] = "keyfile.load";
	struct stat st;
	size_t len, line;
	enum err e;

	if (fstat(fd, &st) != 0)
		return (fail(op, path, ERR_IO, "fstat", errno));
	if (!S_ISREG(st.st_mode))
		return (fail(op, path, ERR_INVALID, "not a regular file", 0));
	if ((e = read_all(fd, text, FILE_SIZE_MAX, &len)) == ERR_SPACE)
		return (fail(op, path, ERR_INVALID, "too long", 0));
	if (e != ERR_OK)
		return (fail(op, path, ERR_IO, "read", errno));
	if (keyring_parse(slice_make(text, len), ring, &line) != ERR_OK) {
		log_error(op, LOG_STR("path", path), LOG_STR("err", err_word(ERR_INVALID)),
		    LOG_INT("line", line));
		return (ERR_INVALID);
	}
	if (ring->has_private && (st.st_mode & (S_IRGRP | S_IROTH)) != 0 &&
	    !is_systemd_credential(path))
		return (
		    fail(op, path, ERR_DENIED, "private keys that others may read; chmod 0600", 0));
	return (ERR_OK);
}

enum err
keyfile_load(const char *path, struct keyring *ring)
{
	static const char op[] = "keyfile.load";
	enum err rc = ERR_IO;
	char *text = NULL;
	int fd;

	/* A FIFO in the file's place must not hold up the start. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0) {
		rc = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
		rc = fail(op, path, rc, "open", errno);
		goto out;
	}
	if ((text = mem_locked_new(FILE_SIZE_MAX)) == NULL) {
		rc = fail(op, path, ERR_NOMEM, "no locked memory (RLIMIT_MEMLOCK)", 0);
		goto out;
	}
	rc = load_fd(fd, path, text, ring);
out:
	mem_locked_free(text, FILE_SIZE_MAX);
	if (fd >= 0)
		close(fd);
	if (rc != ERR_OK)
		mem_wipe(ring, sizeof(*ring));
	return (rc);
}

/* Write all of ${s}. */
static enum err
write_all(int fd, struct slice s)
{
	ssize_t n;

	for (; s.len > 0; s = slice_skip(s, (size_t)n)) {
		n = write(fd, s.ptr, s.len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return (ERR_IO);
	}
	return (ERR_OK);
}

/*
 * Fill the temporary file ${fd} for ${path}.  It takes the owner of the file that it replaces: root
 * rotates a keyring that the courier must go on reading.
 */
static enum err
fill(int fd, const char *path, struct slice text, mode_t mode, bool replace)
{
	static const char op[] = "keyfile.save";
	struct stat old;

	if (replace && stat(path, &old) == 0 &&
	    (old.st_uid != geteuid() || old.st_gid != getegid()) &&
	    fchown(fd, old.st_uid, old.st_gid) != 0)
		return (fail(op, path, ERR_IO, "chown", errno));
	if (fchmod(fd, mode) != 0)
		return (fail(op, path, ERR_IO, "chmod", errno));
	if (write_all(fd, text) != ERR_OK)
		return (fail(op, path, ERR_IO, "write", errno));
	if (fsync(fd) != 0)
		return (fail(op, path, ERR_IO, "fsync", errno));
	return (ERR_OK);
}

/* Open the folder of ${path}; below 0: errno says why not. */
static int
open_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct slice dir = slice_of(".");
	struct buf b;
	int fd;

	if (slash != NULL)
		dir = slash == path ? slice_of("/") : slice_make(path, (size_t)(slash - path));
	buf_init(&b, dir.len);
	buf_add(&b, dir);
	fd = open(buf_str(&b), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_clear(&b);
	return (fd);
}

/* Make the folder of ${path} remember its new entry. */
static enum err
sync_folder(const char *path)
{
	const int fd = open_folder(path);
	enum err rc = ERR_IO;

	if (fd < 0 || fsync(fd) != 0)
		fail("keyfile.save", path, ERR_IO, "fsync of the folder", errno);
	else
		rc = ERR_OK;
	if (fd >= 0)
		close(fd);
	return (rc);
}

/* Lock ${fd} within ${wait_ms}.  No waiting in flock(): who may read the folder may hold its lock
 * for ever. */
static enum err
lock_within(int fd, int64_t wait_ms)
{
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return (ERR_IO);
		if (wait_ms <= 0)
			return (ERR_TIMEOUT);
		(void)poll(NULL, 0, LOCK_POLL_MS);
		wait_ms -= LOCK_POLL_MS;
	}
	return (ERR_OK);
}

enum err
keyfile_lock(const char *path, int64_t wait_ms, int *fd)
{
	enum err e;

	if ((*fd = open_folder(path)) >= 0 && (e = lock_within(*fd, wait_ms)) != ERR_IO)
		return (e);
	return (fail("keyfile.lock", path, ERR_IO, "flock of the folder", errno));
}

/* Is ${name} that of a temporary file for one whose name is, or begins with, ${base}? */
static bool
is_leftover(const char *name, const char *base)
{
	const size_t len = strlen(name), base_len = strlen(base), tail = sizeof(tmp_suffix) - 1;

	return (len >= base_len + tail && strncmp(name, base, base_len) == 0 &&
		name[base_len] == '.' && strncmp(name + len - tail, tmp_suffix, TMP_MARK_LEN) == 0);
}

void
keyfile_sweep(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash == NULL ? path : slash + 1;
	const struct dirent *entry;
	int fd = open_folder(path);
	DIR *dir;

	if (fd < 0 || (dir = fdopendir(fd)) == NULL) {
		keyfile_unlock(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (is_leftover(entry->d_name, base))
			(void)unlinkat(fd, entry->d_name, 0);
	}
	closedir(dir);
}

void
keyfile_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

/*
 * Is ${path} a symbolic link?  What is put in its place would leave the file that it leads to with
 * the old keys, where a person keeps it; and to write through links is to be led anywhere.
 */
static bool
is_link(const char *path)
{
	struct stat st;

	return (lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
}

/* Give the whole file ${tmp} its name; without ${replace}, only where the name is free. */
static enum err
publish(const char *tmp, const char *path, bool replace)
{
	static const char op[] = "keyfile.save";

	if (replace)
		return (rename(tmp, path) == 0 ? ERR_OK : fail(op, path, ERR_IO, "rename", errno));
	if (link(tmp, path) != 0)
		return (errno == EEXIST ? ERR_EXISTS : fail(op, path, ERR_IO, "link", errno));
	(void)unlink(tmp);
	return (ERR_OK);
}

enum err
keyfile_save(const char *path, const struct keyring *ring, bool with_private, bool replace)
{
	mode_t mode = with_private ? 0600 : 0644;
	enum err rc = ERR_IO, e;
	struct buf text, tmp;
	int fd = -1;

	buf_init(&text, FILE_SIZE_MAX);
	buf_init(&tmp, strlen(path) + sizeof(tmp_suffix));
	if (replace && is_link(path)) {
		rc = fail("keyfile.save", path, ERR_DENIED,
		    "a symbolic link: name the file itself in the config", 0);
		goto out;
	}
	keyring_print(ring, with_private, &text);
	buf_printf(&tmp, "%s%s", path, tmp_suffix);
	if (!buf_ok(&text) || !buf_ok(&tmp)) {
		rc = fail("keyfile.save", path, ERR_NOMEM, "text", 0);
		goto out;
	}
	if ((fd = mkostemp(tmp.ptr, O_CLOEXEC)) < 0) {
		rc = fail("keyfile.save", path, ERR_IO, "mkostemp", errno);
		goto out;
	}
	if ((e = fill(fd, path, buf_slice(&text), mode, replace)) != ERR_OK ||
	    (e = publish(buf_str(&tmp), path, replace)) != ERR_OK) {
		(void)unlink(buf_str(&tmp));
		rc = e;
		goto out;
	}
	if ((e = sync_folder(path)) != ERR_OK) {
		rc = e;
		goto out;
	}
	rc = ERR_OK;
out:
	if (fd >= 0)
		close(fd);
	buf_clear(&tmp);
	buf_clear(&text);
	return (rc);
}
