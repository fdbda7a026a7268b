#ifndef API_LISTEN_H
#define API_LISTEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "domain/settings.h"

/** The socket that the pool accepts on. */
struct listener {
	int fd;         /* listening, non-blocking */
	char path[108]; /* of the socket file we made and must remove; "": it was handed to us */
};

/**
 * listen_open(s, out, why):
 * Take the socket that is there: fd 3 of systemd (sd_listen_fds(3)), else fd 0 where that is a
 * listening socket (as spawn-fcgi gives it), else make the Unix socket ${s}->api_socket, mode 0660
 * and of ${s}->api_socket_group.  A stale socket file is replaced; ERR_EXISTS: another pool answers
 * on it.  ERR_INVALID, ERR_IO.  ${why} is for a person.
 */
enum err listen_open(const struct settings *s, struct listener *out, struct buf *why) MUST_CHECK;

/**
 * listen_close(l):
 * Close the socket, and remove its file if we made it.
 */
void listen_close(struct listener *l);

#endif
