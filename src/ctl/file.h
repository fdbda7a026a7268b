#ifndef CTL_FILE_H
#define CTL_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"

/**
 * file_read(path, what, text, from, why):
 * Read all of the file ${path}, "-" for standard input, into ${text}, at most its maximum; ${from}
 * gets what the file is called in messages.  ERR_IO, ERR_SPACE, ERR_DENIED (it is empty; ${what}
 * says what it must hold): ${why} says so.
 */
enum err file_read(struct slice path, const char *what, struct buf *text, const char **from,
    struct buf *why) MUST_CHECK;

/**
 * file_json(text, from, out, why):
 * Parse ${text}, what the file ${from} holds, into ${out}, which the caller gives to json_free().
 * ERR_DENIED: it is no JSON; ${why} says where.  ERR_NOMEM.
 */
enum err file_json(
    struct slice text, const char *from, struct json **out, struct buf *why) MUST_CHECK;

#endif
