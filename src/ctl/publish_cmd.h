#ifndef CTL_PUBLISH_CMD_H
#define CTL_PUBLISH_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * publish_run(ctl):
 * Publish the event in a file, by the rules of sigsentry.publish.  ERR_DENIED: it breaks some;
 * ${ctl}->why has a line for each.
 */
enum err publish_run(const struct ctl *ctl) MUST_CHECK;

#endif
