#ifndef API_MASTER_H
#define API_MASTER_H

#include "api/listen.h"
#include "base/cmdline.h"
#include "domain/settings.h"

/**
 * master_run(settings, source, listener):
 * Keep a pool of workers on ${listener} until SIGTERM or SIGINT; then let running requests end and
 * return the exit status. SIGHUP reads the settings of ${source} again and replaces the workers one
 * by one, each old one going when its successor is ready; settings that cannot be read, and workers
 * that cannot start, leave the old ones serving.  A worker that dies comes back after a pause that
 * grows while it keeps dying.  Takes ${settings} over.
 */
int master_run(
    const struct settings *settings, const struct cmdline *source, const struct listener *listener);

#endif
