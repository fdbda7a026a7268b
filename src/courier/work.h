#ifndef COURIER_WORK_H
#define COURIER_WORK_H

#include <stddef.h>

#include "domain/settings.h"

/** Where the settings come from: settings_load()'s arguments; borrowed. */
struct work_source {
	const char *path;
	const char *const *overrides;
	size_t noverrides;
};

/**
 * work_run(source):
 * Deliver until SIGTERM or SIGINT.  Returns the exit status; ends the program where it cannot
 * begin.
 */
int work_run(const struct work_source *source);

#endif
