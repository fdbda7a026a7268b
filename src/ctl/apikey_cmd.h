#ifndef CTL_APIKEY_CMD_H
#define CTL_APIKEY_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * apikey_create_run(ctl):
 * Make an API key, store its digest, and print it: the one time that it is seen.
 */
enum err apikey_create_run(const struct ctl *ctl) MUST_CHECK;

#endif
