/*
 * The file in the courier's state folder: a mark of the database, kept where no restore of the
 * database reaches.  Small enough for one read and one write.
 */
#include "adapters/epochfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err
epochfile_load(const char *path, struct epoch *e)
{
	char text[EPOCH_TEXT_MAX];
	struct stat st;
	ssize_t n = -1;
	int fd, saved;

	/* a FIFO in the file's place must not hold up the courier */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return (errno == ENOENT ? ERR_NOTFOUND : ERR_IO);
	if (fstat(fd, &st) == 0) {
		errno = EINVAL;
		if (S_ISREG(st.st_mode))
			n = read(fd, text, sizeof(text));
	}
	saved = errno;
	close(fd);
	errno = saved;
	if (n < 0)
		return (ERR_IO);
	return (epoch_parse(slice_make(text, (size_t)n), e));
}

/* Write ${text} to the temporary file and close it. */
static enum err
fill(int fd, struct slice text)
{
	enum err e = ERR_IO;
	ssize_t n = write(fd, text.ptr, text.len);

	if (n >= 0 && (size_t)n < text.len)
		errno = ENOSPC;
	else if (n >= 0 && fsync(fd) == 0)
		e = ERR_OK;
	if (close(fd) != 0)
		e = ERR_IO;
	return (e);
}

enum err
epochfile_save(const char *path, const struct epoch *e)
{
	enum err rc = ERR_IO;
	struct buf text, tmp;
	int fd, saved;

	buf_init(&text, EPOCH_TEXT_MAX);
	buf_init(&tmp, strlen(path) + 16);
	epoch_print(e, &text);
	buf_printf(&tmp, "%s.XXXXXX", path);
	errno = ENOMEM;
	if (!buf_ok(&text) || !buf_ok(&tmp) || (fd = mkostemp(tmp.ptr, O_CLOEXEC)) < 0)
		goto out;
	if (fill(fd, buf_slice(&text)) == ERR_OK && rename(tmp.ptr, path) == 0) {
		/* Not the folder: after a crash of the machine the mark before is as good. */
		rc = ERR_OK;
		goto out;
	}
	saved = errno;
	(void)unlink(tmp.ptr);
	errno = saved;
out:
	saved = errno;
	buf_clear(&tmp);
	buf_clear(&text);
	errno = saved;
	return (rc);
}
