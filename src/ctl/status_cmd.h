#ifndef CTL_STATUS_CMD_H
#define CTL_STATUS_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * status_run(ctl):
 * Print how it goes with the deliveries, and the couriers; with --nagios one line as its plugins
 * print it, whose word is also the exit status.  ERR_DENIED: it goes ill; ${ctl}->why says how.
 */
enum err status_run(const struct ctl *ctl) MUST_CHECK;

#endif
