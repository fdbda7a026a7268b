#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include <stddef.h>

#include "base/buf.h"

/* Stands for the names of files, which the shell knows better. */
#define COMPLETE_FILE "<file>"

/**
 * complete(nwords, words, out):
 * Append what may stand in place of the last of the ${nwords} words behind "sigsentryctl", each
 * with a newline, or COMPLETE_FILE.  The last one is what was typed of it so far, or empty.  Serves
 * src/ctl/bash.
 */
void complete(int nwords, char *const words[], struct buf *out);

#endif
