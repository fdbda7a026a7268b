#ifndef CTL_KEYRING_RETIRE_H
#define CTL_KEYRING_RETIRE_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * keyring_retire_run(ctl):
 * `keyring retire`: take a key out of use that nothing needs any more.  ERR_DENIED: something does.
 */
enum err keyring_retire_run(const struct ctl *ctl) MUST_CHECK;

#endif
