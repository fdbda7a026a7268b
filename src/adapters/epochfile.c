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

/* Read ${fd} to its end, or as much as ${cap}: how much that was is in ${len}.  Below 0: errno says
 * why. */
static ssize_t
read_all(int fd, char *text, size_t cap, size_t *len)
{
	ssize_t n;

	for (*len = 0; *len < cap; *len += (size_t)n) {
		if ((n = read(fd, text + *len, cap - *len)) == 0)
			break;
		if (n < 0 && errno != EINTR)
			return (-1);
		if (n < 0)
			n = 0;
	}
	return (0);
}

enum err
epochfile_load(const char *path, struct epoch *e)
{
	char text[EPOCH_TEXT_MAX];
	struct stat st;
	size_t len = 0;
	ssize_t n = -1;
	int fd, saved;

	/* a FIFO in the file's place must not hold up the courier */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return (errno == ENOENT ? ERR_NOTFOUND : ERR_IO);
	if (fstat(fd, &st) == 0) {
		errno = EINVAL;
		if (S_ISREG(st.st_mode))
			n = read_all(fd, text, sizeof(text), &len);
	}
	saved = errno;
	close(fd);
	errno = saved;
	if (n < 0)
		return (ERR_IO);
	return (epoch_parse(slice_make(text, len), e));
}

/* Write ${text} to the temporary file and close it. */
static enum err
fill(int fd, struct slice text)
{
	enum err e = ERR_IO;
	ssize_t n = 0;

	while (text.len > 0 && n >= 0) {
		if ((n = write(fd, text.ptr, text.len)) < 0 && errno == EINTR)
			n = 0;
		if (n > 0)
			text = slice_skip(text, (size_t)n);
	}
	if (n >= 0 && fsync(fd) == 0)
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
