#ifndef ADAPTERS_DB_LOOP_H
#define ADAPTERS_DB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"

/**
 * A connection to PostgreSQL that never blocks: calls wait in line, one is under way, and the
 * owner's event loop says when the socket is ready.  Opened when first needed, and again when it is
 * lost, with pauses that grow.
 */
struct db_loop;

/**
 * A call's end: ${rows} (freed by the caller of this) where ${e} is ERR_OK; else as db_call()'s.
 */
typedef void db_loop_done(void *ctx, enum err e, const struct db_rows *rows);

/**
 * db_loop_new(options), db_loop_free(d):
 * Keep a copy of ${options}.  NULL: no memory.  The free closes, drops what waits without a word,
 * and takes NULL.
 */
struct db_loop *db_loop_new(const struct db_options *options);
void db_loop_free(struct db_loop *d);

/**
 * db_loop_call(d, query, params, nparams, timeout_ms, done, ctx):
 * Put a call in line; ${params} are copied.  It is sent once more where the connection is lost on
 * the way: so only call what may be called twice.  ${done} is called from db_loop_ready(),
 * ERR_TIMEOUT
 * ${timeout_ms} after it was put in line at the latest.  ERR_NOMEM: it was not.
 */
enum err db_loop_call(struct db_loop *d, const struct db_query *query,
    const struct db_param *params, size_t nparams, int64_t timeout_ms, db_loop_done *done,
    void *ctx) MUST_CHECK;

/**
 * db_loop_fd(d), db_loop_events(d):
 * The descriptor to watch (-1: none now; it changes with every connection) and the poll(2) events.
 *
 * db_loop_wait_ms(d, now_ms):
 * When db_loop_ready() must be called though nothing is ready, in ms; -1: it need not.
 *
 * db_loop_ready(d, now_ms):
 * Go on as far as it goes without blocking.  ${now_ms} is the monotonic clock's.
 */
int db_loop_fd(const struct db_loop *d);
short db_loop_events(const struct db_loop *d);
int64_t db_loop_wait_ms(const struct db_loop *d, int64_t now_ms);
void db_loop_ready(struct db_loop *d, int64_t now_ms);

/**
 * db_loop_is_connecting(d):
 * Is a connection being made?  Its socket may be another one after every db_loop_ready(), with the
 * same number: watch it anew.
 */
bool db_loop_is_connecting(const struct db_loop *d);

/**
 * db_loop_sessions(d):
 * How many times a connection has been made: another number is another session.
 */
unsigned db_loop_sessions(const struct db_loop *d);

/**
 * db_loop_is_idle(d):
 * Is no call under way nor in line?
 */
bool db_loop_is_idle(const struct db_loop *d);

/**
 * db_loop_is_locked_out(d):
 * As db_is_locked_out(), of the call whose ${done} asks.
 */
bool db_loop_is_locked_out(const struct db_loop *d);

#endif
