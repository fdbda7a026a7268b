#ifndef CTL_KEYRING_CHECK_H
#define CTL_KEYRING_CHECK_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * keyring_check_run(ctl):
 * `keyring check`: open every stored value and count.  ERR_DENIED: one could not be opened.
 */
enum err keyring_check_run(const struct ctl *ctl) MUST_CHECK;

#endif
