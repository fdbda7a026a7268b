#ifndef CTL_KEYRING_ROTATE_H
#define CTL_KEYRING_ROTATE_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * keyring_rotate_run(ctl):
 * `keyring rotate`: make a key that waits, or make the one that waits the active one, once every
 * live courier has it.  ERR_DENIED: one has not; ${ctl}->why says which, and what to do there.
 */
enum err keyring_rotate_run(const struct ctl *ctl) MUST_CHECK;

#endif
