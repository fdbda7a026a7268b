/* Where requests come in: a socket of systemd's, of spawn-fcgi's, or our own. */
#include "api/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FDS_START 3 /* sd_listen_fds(3) */

/* Is ${fd} a socket that listens? */
static bool
is_listening(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes != 0);
}

/* The number of descriptors that systemd passed to this very process. */
static uint64_t
passed_fds(void)
{
	uint64_t count = 0, pid = 0;
	const char *fds = getenv("LISTEN_FDS"), *who = getenv("LISTEN_PID");

	if (fds == NULL || who == NULL || text_u64(slice_of(who), INT32_MAX, &pid) != ERR_OK ||
	    text_u64(slice_of(fds), 1024, &count) != ERR_OK || (pid_t)pid != getpid())
		return (0);
	return (count);
}

/* Fill ${addr} with ${path}, whose length the config has checked. */
static void
set_path(struct sockaddr_un *addr, const char *path)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strnlen(path, sizeof(addr->sun_path) - 1));
}

/* Make way for our socket: remove a file that nobody answers on. */
static enum err
clear_stale(const struct sockaddr_un *addr, struct buf *why)
{
	struct stat st;
	int fd, rc;

	if (lstat(addr->sun_path, &st) != 0)
		return (ERR_OK); /* bind() will tell if it is not that there is nothing */
	if (!S_ISSOCK(st.st_mode)) {
		buf_printf(why, "%s is in the way and is no socket; remove it, or set api_socket",
		    addr->sun_path);
		return (ERR_EXISTS);
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return (ERR_IO);
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	close(fd);
	if (rc == 0 || errno == EAGAIN) {
		buf_printf(why,
		    "another process already serves on %s; stop it first, or set api_socket",
		    addr->sun_path);
		return (ERR_EXISTS);
	}
	(void)unlink(addr->sun_path);
	return (ERR_OK);
}

/* Give the socket to the web server's group, where one is set. */
static enum err
give_to_group(const char *path, const char *name, struct buf *why)
{
	const struct group *g;

	if (name[0] == '\0')
		return (ERR_OK);
	if ((g = getgrnam(name)) == NULL) {
		buf_printf(why, "api_socket_group: there is no group \"%s\"", name);
		return (ERR_INVALID);
	}
	if (chown(path, (uid_t)-1, g->gr_gid) != 0) {
		buf_printf(
		    why, "%s cannot be given to the group \"%s\": %s", path, name, strerror(errno));
		return (ERR_IO);
	}
	return (ERR_OK);
}

/* Bind and listen; nobody else may connect before the mode is right, hence the umask. */
static enum err
bind_own(int fd, const struct sockaddr_un *addr, const struct settings *s, struct buf *why)
{
	mode_t old = umask(0117);
	int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	umask(old);
	if (rc != 0 || listen(fd, (int)s->api_backlog) != 0) {
		buf_printf(why, "cannot listen on %s: %s", s->api_socket, strerror(errno));
		return (ERR_IO);
	}
	return (give_to_group(s->api_socket, s->api_socket_group, why));
}

/* Make the socket of the config file. */
static enum err
open_own(const struct settings *s, struct listener *out, struct buf *why)
{
	struct sockaddr_un addr;
	enum err e;

	set_path(&addr, s->api_socket);
	if ((e = clear_stale(&addr, why)) != ERR_OK)
		return (e);
	if ((out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return (ERR_IO);
	if ((e = bind_own(out->fd, &addr, s, why)) != ERR_OK) {
		close(out->fd);
		out->fd = -1;
		return (e);
	}
	memcpy(out->path, addr.sun_path, sizeof(out->path));
	return (ERR_OK);
}

enum err
listen_open(const struct settings *s, struct listener *out, struct buf *why)
{
	enum err e = ERR_OK;

	out->fd = -1;
	out->path[0] = '\0';
	if (passed_fds() > 0) {
		out->fd = LISTEN_FDS_START;
		if (!is_listening(out->fd)) {
			buf_printf(
			    why, "LISTEN_FDS is set, but descriptor 3 is no listening socket");
			return (ERR_INVALID);
		}
	} else if (is_listening(STDIN_FILENO)) {
		out->fd = STDIN_FILENO;
	} else {
		e = open_own(s, out, why);
	}
	/* several workers wake for one connection: those that come late must return from accept */
	if (e == ERR_OK && fcntl(out->fd, F_SETFL, O_NONBLOCK) != 0)
		e = ERR_IO;
	return (e);
}

void
listen_close(struct listener *l)
{
	if (l->path[0] != '\0')
		(void)unlink(l->path);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
