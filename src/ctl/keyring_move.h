#ifndef CTL_KEYRING_MOVE_H
#define CTL_KEYRING_MOVE_H

#include "base/err.h"
#include "ctl/ctl.h"

/**
 * keyring_export_run(ctl), keyring_import_run(ctl):
 * `keyring export`, `keyring import`: keys to and from a file, or standard output and input; the
 * private ones, or with --public what a web host needs.
 */
enum err keyring_export_run(const struct ctl *ctl) MUST_CHECK;
enum err keyring_import_run(const struct ctl *ctl) MUST_CHECK;

#endif
