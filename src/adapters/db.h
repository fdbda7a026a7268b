#ifndef ADAPTERS_DB_H
#define ADAPTERS_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/uuid.h"

/** One connection to PostgreSQL, opened when first needed and again when it is lost. */
struct db;

/** A statement, prepared once a connection; its text comes from sql/q at build time. */
struct db_query {
	const char *name; /* its name on the server */
	const char *sql;
};

/** A parameter, borrowed for the call.  A DB_TEXT must be NUL-terminated behind its length, as all
 * of json, arena and buf_str() are. */
struct db_param {
	enum db_param_kind { DB_NULL, DB_TEXT, DB_BYTES } kind;
	struct slice value;
};

/** What a statement gave back; freed by db_rows_free(). */
struct db_rows;

/** How a connection is made. */
struct db_options {
	/* libpq's; several hosts, service files and passfiles work.  A host that stays silent gets
	 * connect_timeout, or else half of the time that is left and 2.5 s at most, unless it is
	 * the last; then the next one is asked. */
	const char *conninfo;
	const char *user;        /* the role where ${conninfo} names none */
	const char *dbname;      /* wins over ${conninfo}'s; NULL: as that says */
	const char *application; /* application_name */
	int64_t lock_timeout_ms; /* of the session; 0: none */
	bool once;               /* never call again what may have been done (db_is_in_doubt()) */
	bool as_local_user;      /* connect as db_peer_begin() says */
	/* Asked first on every connection: which version the schema has.  While that is less than
	 * ${schema_min}, or the answer an error, nothing else is called there, and it is asked
	 * again.  NULL: whatever schema there is. */
	const struct db_query *schema_query;
	int64_t schema_min;
};

/**
 * db_new(options), db_free(db):
 * Keep a copy of ${options}; nothing is opened yet.  NULL: no memory.  The free closes and takes
 * NULL.
 */
struct db *db_new(const struct db_options *options);
void db_free(struct db *db);

/**
 * db_call(db, query, params, nparams, deadline_ms, out):
 * Run ${query} in a transaction of its own, connecting and preparing first where needed, and put
 * its rows into ${out}. Never waits past ${deadline_ms} of the monotonic clock: then the connection
 * is closed, not cancelled (design §3: a cancel under synchronous replication would look like
 * success).  A connection that is lost on the way, and SQLSTATE 57P01–03, 08xxx, 25006, are
 * answered by connecting anew and calling ONCE more: so only call what may be called twice, or
 * set ${once} of the options.
 * ERR_DOWN: no connection, or the schema is too old (db_schema_is_old()), or the server is short of
 * something (53xxx, 55P03, 57014, 40P01, 40001), or the commit is in doubt (WARNING 01000 of
 * synchronous replication).  ERR_TIMEOUT: the deadline. ERR_EXISTS: a unique constraint (23505).
 * ERR_DENIED: 42501.  ERR_INVALID: a parameter's value does not fit (22xxx).  ERR_INTERNAL: any
 * other SQL error. Logs the first word of a failure (SQLSTATE, no parameter).
 */
enum err db_call(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t deadline_ms, struct db_rows **out) MUST_CHECK;

/**
 * db_script(db, sql, deadline_ms, why):
 * Run ${sql}, many statements without parameters, in the transaction that is open (for migrations
 * and setup), or else in one of its own.  Not repeated.  Errors as above; the server's message goes
 * to ${why} (which may be NULL).
 */
enum err db_script(struct db *db, const char *sql, int64_t deadline_ms, struct buf *why) MUST_CHECK;

/**
 * db_is_open(db), db_last_error(db):
 * Does a connection stand?  What libpq or the server said last, one line, for ctl's messages.
 */
bool db_is_open(const struct db *db);
const char *db_last_error(const struct db *db);

/**
 * db_schema_is_old(db):
 * The last call was not made, since the schema is too old for this program, or its role lacks the
 * grants that a migration lays; db_last_error() says which, and how old.
 */
bool db_schema_is_old(const struct db *db);

/**
 * db_is_locked_out(db):
 * The last call or script failed since others hold what it wanted (55P03, 40P01): a later one may
 * succeed.
 */
bool db_is_locked_out(const struct db *db);

/**
 * db_is_in_doubt(db):
 * The last call failed after its statement was sent, and no answer says that it was not done (the
 * session ended, the deadline passed, WARNING 01000): it may have been.
 */
bool db_is_in_doubt(const struct db *db);

/**
 * db_target(db, name):
 * Append the name of the database that ${db} connects to, as libpq makes it out: connection string,
 * service file, environment, defaults.  Needs no database to be there.  ERR_INVALID: the connection
 * string; db_last_error() says why.
 */
enum err db_target(struct db *db, struct buf *name) MUST_CHECK;

/**
 * db_quiet(db):
 * Leave failures to the caller: log nothing (for ctl, which speaks to a person).
 */
void db_quiet(struct db *db);

/* Rows and columns count from 0. */
void db_rows_free(struct db_rows *rows);
size_t db_nrows(const struct db_rows *rows);
size_t db_ncols(const struct db_rows *rows);
const char *db_col_name(const struct db_rows *rows, size_t col);

/** What a column holds, as far as printing it needs to know. */
enum db_type { DB_TYPE_TEXT, DB_TYPE_NUMBER, DB_TYPE_BOOL, DB_TYPE_JSON };
enum db_type db_col_type(const struct db_rows *rows, size_t col);

/**
 * db_text(rows, row, col):
 * The value in PostgreSQL's text form ("t" and "f" for bool); an absent slice for NULL.
 */
struct slice db_text(const struct db_rows *rows, size_t row, size_t col);

/**
 * db_int(rows, row, col, otherwise):
 * An integer column's value; ${otherwise} for NULL.
 */
int64_t db_int(const struct db_rows *rows, size_t row, size_t col, int64_t otherwise);

#define DB_INT_SIZE 24 /* bytes of an int64_t in digits and its NUL */

/* Parameters.  db_param_uuid() and db_param_int() write the text form into ${text}; it must outlive
 * the call. */
struct db_param db_param_null(void);
struct db_param db_param_bool(bool yes);
struct db_param db_param_text(struct slice s);
struct db_param db_param_bytes(const void *p, size_t len);
struct db_param db_param_uuid(const struct uuid *u, char text[UUID_TEXT_SIZE]);
struct db_param db_param_int(int64_t n, char text[DB_INT_SIZE]);

/**
 * db_array_text(b, s), db_array_bytes(b, s), db_array_null(b):
 * Append an element to the text form of a text[] or bytea[] parameter that is built in ${b}: call
 * db_array_end() after the last.
 */
void db_array_text(struct buf *b, struct slice s);
void db_array_bytes(struct buf *b, struct slice s);
void db_array_null(struct buf *b);
void db_array_end(struct buf *b);

#endif
