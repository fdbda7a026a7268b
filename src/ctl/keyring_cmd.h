#ifndef CTL_KEYRING_CMD_H
#define CTL_KEYRING_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"

/** Which files of a keyring there are. */
enum keyring_files { KEYRING_NONE = 0, KEYRING_PUBLIC_ONLY, KEYRING_PRIVATE_ONLY, KEYRING_BOTH };

/**
 * keyring_look(s):
 * See which of the two files of ${s} are there, readable or not.
 */
enum keyring_files keyring_look(const struct settings *s);

/**
 * keyring_make(ctl, id), keyring_make_public(ctl):
 * Make a keyring where there is no file yet, and give the new key's id (KEYRING_ID_TEXT bytes);
 * write the public file anew from the private one, where a crash came between the two.  ERR_EXISTS:
 * there is one.  Errors are told in ${ctl}->why.
 */
enum err keyring_make(const struct ctl *ctl, char *id) MUST_CHECK;
enum err keyring_make_public(const struct ctl *ctl) MUST_CHECK;

/**
 * keyring_generate_run(ctl), keyring_list_run(ctl):
 * The commands.
 */
enum err keyring_generate_run(const struct ctl *ctl) MUST_CHECK;
enum err keyring_list_run(const struct ctl *ctl) MUST_CHECK;

#endif
