#ifndef CTL_QUEUE_CMD_H
#define CTL_QUEUE_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * queue_status_run(ctl):
 * Print whether the queue is held, and what waits in it.
 *
 * queue_discard_run(ctl):
 * End what waits of events that were published before --before, batch after batch, and let the
 * queue go; hold it first where it is not held.  With --dry-run count alone.  Where it fails half
 * way the queue stays held.  ERR_DENIED, ERR_INVALID: ${ctl}->why.
 */
enum err queue_status_run(const struct ctl *ctl) MUST_CHECK;
enum err queue_discard_run(const struct ctl *ctl) MUST_CHECK;

#endif
