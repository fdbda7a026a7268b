#ifndef CTL_SETUP_H
#define CTL_SETUP_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * setup_run(ctl):
 * Make what an installation needs beyond its package, where it is missing, and say of each thing
 * what was done or found.
 */
enum err setup_run(const struct ctl *ctl) MUST_CHECK;

#endif
