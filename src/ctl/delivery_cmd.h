#ifndef CTL_DELIVERY_CMD_H
#define CTL_DELIVERY_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * delivery_retry_run(ctl):
 * Send deliveries again: those named by their ids, or all of a channel that the options choose.
 * ERR_DENIED: some cannot be; the others are sent, and ${ctl}->why has a line for each of these.
 */
enum err delivery_retry_run(const struct ctl *ctl) MUST_CHECK;

#endif
