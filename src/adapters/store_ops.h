#ifndef ADAPTERS_STORE_OPS_H
#define ADAPTERS_STORE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"
#include "adapters/db_loop.h"
#include "base/buf.h"

/**
 * store_ready(db, deadline_ms, version, is_writable):
 * Ask for the schema's version (0: there is none) and whether it can be written to.  Errors as
 * db_call()'s.
 */
enum err store_ready(
    struct db *db, int64_t deadline_ms, int64_t *version, bool *is_writable) MUST_CHECK;

/**
 * store_metrics(db, deadline_ms, out):
 * Append the counts that the courier makes to ${out}, in Prometheus' text format.  Errors as
 * db_call()'s.
 */
enum err store_metrics(struct db *db, int64_t deadline_ms, struct buf *out) MUST_CHECK;

/**
 * store_housekeep_ask(d, batch, done, ctx), store_housekeep_is_more(rows):
 * Do what must be done once a minute, deleting at most ${batch} rows of a kind; should it be called
 * again at once?
 */
enum err store_housekeep_ask(
    struct db_loop *d, int64_t batch, db_loop_done *done, void *ctx) MUST_CHECK;
bool store_housekeep_is_more(const struct db_rows *rows);

#endif
