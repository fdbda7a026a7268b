#ifndef COURIER_WORK_H
#define COURIER_WORK_H

#include "base/cmdline.h"
#include "domain/settings.h"

/**
 * work_run(source):
 * Deliver until SIGTERM or SIGINT, with the settings that ${source} names, read again on SIGHUP.
 * Returns the exit status; ends the program where it cannot begin.
 */
int work_run(const struct cmdline *source);

#endif
