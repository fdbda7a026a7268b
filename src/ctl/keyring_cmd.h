#ifndef CTL_KEYRING_CMD_H
#define CTL_KEYRING_CMD_H

#include "base/err.h"
#include "ctl/ctl.h"
#include "domain/keyring.h"

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
 * keyring_lock(ctl, fd):
 * Wait for others that change the keyring on this machine, but not for ever, and remove what one
 * that was killed has left; keyfile_unlock(${fd}) lets go, and is called whatever the result.  To
 * be called before a file is read that is to be changed.  ERR_TIMEOUT, ERR_IO: told.
 */
enum err keyring_lock(const struct ctl *ctl, int *fd) MUST_CHECK;

/**
 * keyring_empty(ctl):
 * An empty ring in locked memory, with the crypto library ready; NULL: ${ctl}->why says so.  The
 * caller gives it to keyring_free().
 *
 * keyring_load_private(ctl, ring), keyring_load_public(ctl, ring):
 * Load a file of ${ctl}->settings; of the public one, where there is none, ${ring} stays empty.
 * Errors are told in ${ctl}->why.  ERR_DENIED: it holds what the other one should, so that to write
 * the public file might destroy private keys.
 *
 * keyring_save(ctl, path, ring, with_private), keyring_save_new(...):
 * Write a file of ${ring} in place of the one that may be there; only where there is none
 * (ERR_EXISTS).  Errors likewise.
 *
 * keyring_same_active(a, b):
 * Do both seal to the same key?
 */
struct keyring *keyring_empty(const struct ctl *ctl);
enum err keyring_load_private(const struct ctl *ctl, struct keyring *ring) MUST_CHECK;
enum err keyring_load_public(const struct ctl *ctl, struct keyring *ring) MUST_CHECK;
enum err keyring_save(const struct ctl *ctl, const char *path, const struct keyring *ring,
    bool with_private) MUST_CHECK;
enum err keyring_save_new(const struct ctl *ctl, const char *path, const struct keyring *ring,
    bool with_private) MUST_CHECK;
bool keyring_same_active(const struct keyring *a, const struct keyring *b);

/**
 * keyring_generate_run(ctl), keyring_list_run(ctl):
 * The commands.
 */
enum err keyring_generate_run(const struct ctl *ctl) MUST_CHECK;
enum err keyring_list_run(const struct ctl *ctl) MUST_CHECK;

#endif
