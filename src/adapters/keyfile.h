#ifndef ADAPTERS_KEYFILE_H
#define ADAPTERS_KEYFILE_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "domain/keyring.h"

/**
 * keyfile_load(path, ring):
 * Read the keyring file ${path} into ${ring}.  Logs the reason (and the line) of a failure.  A file
 * with private keys that group or others may read is ERR_DENIED.  ERR_NOTFOUND: there is none.
 * ERR_INVALID: its content.  ERR_IO.
 */
enum err keyfile_load(const char *path, struct keyring *ring) MUST_CHECK;

/**
 * keyfile_lock(path, wait_ms, fd), keyfile_unlock(fd):
 * Wait for at most ${wait_ms} until nobody else has locked the folder of ${path}, and keep others
 * that lock it waiting: who reads a file, changes it and writes it again would else undo what
 * another one did meanwhile.  The lock ends with the process.  ${fd} is for the unlock, which takes
 * -1, whatever the result.  ERR_TIMEOUT: another one still has it.  ERR_IO: logged.
 */
enum err keyfile_lock(const char *path, int64_t wait_ms, int *fd) MUST_CHECK;
void keyfile_unlock(int fd);

/**
 * keyfile_sweep(path):
 * Remove what a kill within keyfile_save() has left of ${path}, and of files whose names begin with
 * that and a dot: it may hold private keys.  To be called under keyfile_lock().
 */
void keyfile_sweep(const char *path);

/**
 * keyfile_save(path, ring, with_private, replace):
 * Write ${ring} to ${path} so that a crash leaves the old file or the new one (temporary file,
 * fsync, rename or link, fsync of the folder).  Mode 0600 with private keys, 0644 without.  Without
 * ${replace} an existing file stays: ERR_EXISTS.  ERR_DENIED: a symbolic link was to be replaced;
 * logged.  ERR_IO: logged.
 */
enum err keyfile_save(
    const char *path, const struct keyring *ring, bool with_private, bool replace) MUST_CHECK;

#endif
