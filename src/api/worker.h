#ifndef API_WORKER_H
#define API_WORKER_H

#include "domain/settings.h"

/* Exit status of a worker that cannot start because of its surroundings (sysexits.h's EX_CONFIG):
 * trying again is of no use. */
#define WORKER_EXIT_CONFIG 78

/**
 * worker_run(settings, listen_fd, ready_fd):
 * Serve requests from ${listen_fd} until SIGTERM or SIGINT, which the caller has blocked; a running
 * request is answered first. Writes one byte to ${ready_fd} and closes it when it is about to
 * accept.  Returns the exit status.
 */
int worker_run(const struct settings *settings, int listen_fd, int ready_fd);

#endif
