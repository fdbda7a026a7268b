#ifndef ADAPTERS_DB_INNER_H
#define ADAPTERS_DB_INNER_H

/* What db.c shares with db_loop.c alone: the pieces of a call, none of which waits. */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"

/* The monotonic clock, as every deadline of the two. */
int64_t db_now_ms(void);

/**
 * db_conn(db), db_disconnect(db):
 * The connection, NULL where there is none; drop it without a word.
 */
PGconn *db_conn(const struct db *db);
void db_disconnect(struct db *db);

/**
 * db_connect_start(db, host):
 * Begin to connect to host ${host} of the connection string (modulo their number).  ERR_DOWN: libpq
 * refuses to try; it was logged.
 *
 * db_connect_failed(db, is_late):
 * Log that the handshake failed, or took too long, and drop the connection.
 */
enum err db_connect_start(struct db *db, size_t host) MUST_CHECK;
void db_connect_failed(struct db *db, bool is_late);

/**
 * db_is_prepared(db, query), db_note_prepared(db, query):
 * Is ${query} prepared on this connection?  It is, from now on.
 *
 * db_send_prepare(db, query), db_send_call(db, query, params, nparams):
 * Queue its preparation; its call.  ERR_DOWN: the connection is lost.  ERR_INTERNAL: too many.
 */
bool db_is_prepared(const struct db *db, const struct db_query *query);
void db_note_prepared(struct db *db, const struct db_query *query);
enum err db_send_prepare(struct db *db, const struct db_query *query) MUST_CHECK;
enum err db_send_call(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams) MUST_CHECK;

/**
 * db_schema_query(db), db_schema_judge(db, e, rows):
 * What must be asked first on this connection; NULL: nothing, or it has been, and the schema is new
 * enough.  What the answer says, ${rows} or the failure ${e}: ERR_OK, or ERR_DOWN where the schema
 * is too old, or the role may not ask (a database may be restored without its grants, which a
 * migration lays anew); logged with its cure.
 */
const struct db_query *db_schema_query(const struct db *db);
enum err db_schema_judge(struct db *db, enum err e, const struct db_rows *rows) MUST_CHECK;

/**
 * db_judge(db, what, e, res, again):
 * What the whole answer ${res} to ${what}, or the failure ${e} of getting it (then ${res} may be
 * NULL), means; logged where it is no success.  ${again}: the session is of no more use, and a
 * second call may succeed.
 */
enum err db_judge(
    struct db *db, const char *what, enum err e, const PGresult *res, bool *again) MUST_CHECK;

#endif
