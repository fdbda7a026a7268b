#ifndef API_QUERY_H
#define API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"

struct call;

/**
 * query_int(c, name, min, max, out), query_bool(c, name, out):
 * Read the query parameter ${name} into ${out}, which stays as it is where the request has none.
 * True: it is there and good.  One that is not, or stands there twice, is an issue at
 * query.${name}.
 */
bool query_int(struct call *c, const char *name, int64_t min, int64_t max, int64_t *out);
bool query_bool(struct call *c, const char *name, bool *out);

/**
 * query_word(c, name, words, nwords, out), query_uuid(c, name, out):
 * The same for one of some words, and for an id (a cursor).
 */
bool query_word(
    struct call *c, const char *name, const char *const words[], size_t nwords, struct slice *out);
bool query_uuid(struct call *c, const char *name, struct uuid *out);

#endif
