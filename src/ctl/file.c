/*
 * Files that an admin names on the command line.  What they hold may be secret: nothing of it
 * stands in a message, and the pieces are wiped.
 */
#include "ctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/output.h"

/* Read all of ${fd}.  ERR_SPACE: it is too long.  ERR_IO: errno says why. */
static enum err
read_all(int fd, struct buf *text)
{
	char piece[4096];
	enum err rc = ERR_OK;
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = ERR_IO;
			break;
		}
		buf_add(text, slice_make(piece, (size_t)n));
		if (!buf_ok(text)) {
			rc = ERR_SPACE;
			break;
		}
	}
	mem_wipe(piece, sizeof(piece));
	return (rc);
}

/* Is there nothing but white space in ${s}? */
static bool
is_blank(struct slice s)
{
	for (; s.len > 0; s = slice_skip(s, 1)) {
		if (strchr(" \t\r\n", s.ptr[0]) == NULL)
			return (false);
	}
	return (true);
}

enum err
file_read(struct slice path, const char *what, struct buf *text, const char **from, struct buf *why)
{
	bool is_stdin = slice_eq(path, slice_of("-"));
	enum err e = ERR_IO;
	int fd;

	*from = is_stdin ? "standard input" : path.ptr;
	fd = is_stdin ? STDIN_FILENO : open(path.ptr, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		e = read_all(fd, text);
	if (e == ERR_SPACE) {
		buf_printf(why, "%s: is longer than %zu bytes", *from, text->max);
	} else if (e != ERR_OK) {
		buf_printf(why, "%s: %s", *from, strerror(errno));
	} else if (is_blank(buf_slice(text))) {
		buf_printf(why, "%s: is empty; it must hold %s", *from, what);
		e = ERR_DENIED;
	}
	if (fd > STDIN_FILENO)
		close(fd);
	return (e);
}

enum err
file_json(struct slice text, const char *from, struct json **out, struct buf *why)
{
	struct json_fault fault;
	enum err e;

	if ((e = json_parse(text, out, &fault)) != ERR_INVALID)
		return (e);
	buf_printf(why, "%s: %s", from, fault.message);
	if (fault.path[0] != '\0') {
		buf_printf(why, " (");
		output_plain(slice_of(fault.path), why);
		buf_addc(why, ')');
	}
	return (ERR_DENIED);
}
