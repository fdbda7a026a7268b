#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * check_run(ctl):
 * The doctor: look at each part of the installation, print what was found and the cure of what is
 * ill.  ERR_DENIED: something is. Copes with ${ctl}->settings being NULL.
 */
enum err check_run(const struct ctl *ctl) MUST_CHECK;

#endif
