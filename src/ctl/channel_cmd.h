#ifndef CTL_CHANNEL_CMD_H
#define CTL_CHANNEL_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * channel_create_run(ctl):
 * Make a tenant-wide channel of the options and the credentials in a file: judged as the API judges
 * them, sealed here, written with its audit row.  ERR_INVALID: an option breaks a rule;
 * ERR_DENIED: the file does; ${ctl}->why has a line for each.
 */
enum err channel_create_run(const struct ctl *ctl) MUST_CHECK;

#endif
