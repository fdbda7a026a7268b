#ifndef API_WORKER_H
#define API_WORKER_H

#include <stddef.h>

#include "api/counters.h"
#include "domain/settings.h"

/* Exit status of a worker that cannot start because of its surroundings (sysexits.h's EX_CONFIG):
 * trying again is of no use. */
#define WORKER_EXIT_CONFIG 78

/** Where a worker stands in the pool; borrowed. */
struct worker_place {
	int listen_fd; /* shared by all; non-blocking */
	int ready_fd;  /* told when the worker is about to accept */
	size_t number; /* from 0; its successor has the same */
	struct counters *counters;
};

/**
 * worker_run(settings, place):
 * Serve requests from ${place}'s socket until SIGTERM or SIGINT, which the caller has blocked; a
 * running request is answered first.  Writes one byte to ready_fd and closes it when it is about to
 * accept.  Returns the exit status.
 */
int worker_run(const struct settings *settings, const struct worker_place *place);

#endif
