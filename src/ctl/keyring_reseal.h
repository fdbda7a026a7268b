#ifndef CTL_KEYRING_RESEAL_H
#define CTL_KEYRING_RESEAL_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * keyring_reseal_run(ctl):
 * `keyring reseal`: seal what is sealed to another key anew to the active one.  May be ended at any
 * moment, and run again.  ERR_DENIED: not all could be.
 */
enum err keyring_reseal_run(const struct ctl *ctl) MUST_CHECK;

#endif
