#ifndef ADAPTERS_EPOCHFILE_H
#define ADAPTERS_EPOCHFILE_H

#include "base/err.h"
#include "domain/epoch.h"

/**
 * epochfile_load(path, e):
 * Read the mark in the file ${path}.  ERR_NOTFOUND: there is none.  ERR_INVALID: its content, or it
 * is no regular file.  ERR_IO; errno says why.
 *
 * epochfile_save(path, e):
 * Write it so that a crash leaves the old file or the new one (temporary file, fsync, rename); mode
 * 0600.  ERR_IO; errno says why.
 */
enum err epochfile_load(const char *path, struct epoch *e) MUST_CHECK;
enum err epochfile_save(const char *path, const struct epoch *e) MUST_CHECK;

#endif
