/*
 * The only room that speaks libpq.  Everything is non-blocking under the caller's deadline, so that
 * a database that hangs costs a worker one request and never the worker.
 */
#include "adapters/db.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/db_inner.h"
#include "adapters/db_peer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define PREPARED_MAX 64 /* statements one program prepares; more are prepared again each time */
#define PARAMS_MAX   32
#define ERROR_MAX    512 /* bytes of the last error that are kept */

/* pg_type.oid of what db_col_type() tells apart (PostgreSQL's catalog/pg_type.dat; they never
 * change). */
#define OID_BOOL    16
#define OID_INT8    20
#define OID_INT2    21
#define OID_INT4    23
#define OID_JSON    114
#define OID_FLOAT8  701
#define OID_NUMERIC 1700
#define OID_JSONB   3802

/* What one host of several may take of the time that is left, where connect_timeout says nothing:
 * half, and at most this. */
#define HOST_SHARE_MS 2500

#define CONNECT_TIMEOUT_MAX_S 3600 /* a larger one is none: no call waits so long */

/* One host of a connection string. */
struct host {
	const char *name, *addr, *port; /* its items of libpq's lists; NULL: as the string says */
};

struct db {
	struct db_options options; /* texts are copies of our own, in `arena` */
	struct arena *arena;
	char *session;              /* the `options` parameter: settings of each session */
	PGconn *conn;               /* NULL: none */
	const struct host *hosts;   /* in the connection string's order */
	size_t nhosts;              /* 0: not looked at yet */
	int64_t connect_timeout_ms; /* of each host; 0: the connection string sets none */
	const char *prepared[PREPARED_MAX];
	size_t nprepared;
	bool schema_fits; /* asked on this connection: it is new enough */
	bool schema_is_old;
	bool function_is_missing, is_locked_out; /* why the last statement failed */
	bool quiet;
	bool in_doubt; /* what was sent may have been done, or not; the standby may not have it */
	char error[ERROR_MAX];
};

/* How an SQLSTATE that begins with ${prefix} is to be taken. */
struct sqlstate_row {
	const char *prefix;
	enum err e;
	bool reconnect;   /* the session is gone or useless: connect anew and call once more */
	const char *hint; /* for the log: a function is missing, and what to do; else NULL */
	bool is_lock;
};

static const struct sqlstate_row sqlstates[] = {
    {"57P01", ERR_DOWN, true, NULL, false}, /* admin_shutdown */
    {"57P02", ERR_DOWN, true, NULL, false}, /* crash_shutdown */
    {"57P03", ERR_DOWN, true, NULL, false}, /* cannot_connect_now */
    {"08", ERR_DOWN, true, NULL, false},    /* connection exceptions */
    {"25006", ERR_DOWN, true, NULL, false}, /* read_only_sql_transaction: the primary moved */
    {"26000", ERR_DOWN, true, NULL,
	false}, /* a prepared statement is gone: a pooler gave us another session */
    {"23503", ERR_DOWN, true, NULL,
	false}, /* foreign_key_violation: deleted meanwhile; the next call sees it */
    {"57014", ERR_DOWN, false, NULL, false}, /* query_canceled */
    {"55P03", ERR_DOWN, false, NULL, true},  /* lock_not_available: lock_timeout */
    {"40P01", ERR_DOWN, false, NULL, true},  /* deadlock_detected */
    {"40001", ERR_DOWN, false, NULL, false}, /* serialization_failure */
    {"42883", ERR_DOWN, false, "the schema is missing or too old: run sigsentryctl migrate", false},
    {"3F000", ERR_DOWN, false, "the schema is missing or too old: run sigsentryctl migrate", false},
    {"22", ERR_INVALID, false, NULL, false}, /* data exceptions: a value that does not fit */
    /* raised by sigsentry.seal_check */
    {"53S01", ERR_DOWN, false,
	"keyring_public seals to a key that was retired: copy the current file to this host, then "
	"reload sigsentry-api",
	false},
    {"53", ERR_DOWN, false, NULL, false},      /* insufficient resources */
    {"23505", ERR_EXISTS, false, NULL, false}, /* unique_violation */
    {"42501", ERR_DENIED, false, NULL, false}, /* insufficient_privilege */
    {"", ERR_INTERNAL, false, NULL, false}, /* all else is a bug, or a schema that does not fit */
};

int64_t
db_now_ms(void)
{
	const struct clock c = clock_system();

	return (clock_mono_ms(&c));
}

/* Copy ${str} into the db's arena; NULL stays NULL. */
static const char *
keep(struct db *db, const char *str)
{
	return (str == NULL ? NULL : arena_dup(db->arena, slice_of(str)));
}

struct db *
db_new(const struct db_options *options)
{
	struct db *db;

	if ((db = calloc(1, sizeof(*db))) == NULL)
		return (NULL);
	if ((db->arena = arena_new()) == NULL) {
		free(db);
		return (NULL);
	}
	db->options = *options;
	db->options.conninfo = keep(db, options->conninfo);
	db->options.user = keep(db, options->user);
	db->options.dbname = keep(db, options->dbname);
	db->options.application = keep(db, options->application);
	/* jit: by the cost on paper of a scan that enable_seqscan = off forbids, a query of
	 * milliseconds would be compiled for a second.  plan_cache_mode: by its guesses of the two,
	 * PostgreSQL would make some plans anew for each call's values, which costs more than it
	 * saves: what is asked is mostly by key, and a function for which that is not so sets it
	 * for itself. */
	db->session = arena_printf(db->arena,
	    "-c search_path= -c jit=off -c plan_cache_mode=force_generic_plan -c lock_timeout=%lld",
	    (long long)options->lock_timeout_ms);
	if (db->options.conninfo == NULL || db->session == NULL) {
		db_free(db);
		return (NULL);
	}
	return (db);
}

/* Drop the connection, without a word to the server. */
void
db_disconnect(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	db->nprepared = 0;
	db->schema_fits = false;
}

void
db_free(struct db *db)
{
	if (db == NULL)
		return;
	db_disconnect(db);
	arena_free(db->arena);
	free(db);
}

void
db_quiet(struct db *db)
{
	db->quiet = true;
}

bool
db_is_open(const struct db *db)
{
	return (db->conn != NULL && PQstatus(db->conn) == CONNECTION_OK);
}

bool
db_is_in_doubt(const struct db *db)
{
	return (db->in_doubt);
}

bool
db_is_locked_out(const struct db *db)
{
	return (db->is_locked_out);
}

bool
db_schema_is_old(const struct db *db)
{
	return (db->schema_is_old);
}

const char *
db_last_error(const struct db *db)
{
	return (db->error);
}

/* Remember ${text} behind what is remembered, its lines joined to one. */
static void
remember_too(struct db *db, const char *text)
{
	size_t i = strlen(db->error);

	snprintf(db->error + i, sizeof(db->error) - i, "%s%s", i > 0 ? "; " : "",
	    text == NULL ? "" : text);
	for (i = strlen(db->error); i > 0 && db->error[i - 1] == '\n'; i--)
		db->error[i - 1] = '\0';
	for (i = 0; db->error[i] != '\0'; i++) {
		if (db->error[i] == '\n')
			db->error[i] = ' ';
	}
}

/* Remember ${text} alone. */
static void
remember(struct db *db, const char *text)
{
	db->error[0] = '\0';
	remember_too(db, text);
}

/* Wait until the socket is ready for ${events} or ${deadline_ms} has passed. */
static enum err
wait_socket(struct db *db, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = PQsocket(db->conn), .events = events};
	int64_t left;
	int n;

	do {
		if ((left = deadline_ms - db_now_ms()) <= 0)
			return (ERR_TIMEOUT);
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return (n < 0 ? ERR_IO : ERR_OK);
}

/* Notices are not errors; one of them puts the commit in doubt. */
static void
on_notice(void *ctx, const PGresult *res)
{
	struct db *db = ctx;
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (state != NULL && strcmp(state, "01000") == 0)
		db->in_doubt = true;
}

/*
 * Start to connect, to ${host} or, where that is NULL, as the connection string says.  What stands
 * before the connection string gives way to it, what stands behind it wins (libpq,
 * PQconnectStartParams: later keywords override, the first dbname is expanded).
 */
static PGconn *
connect_start(const struct db *db, const struct host *host)
{
	static const struct host any = {NULL, NULL, NULL};
	const struct host *h = host == NULL ? &any : host;
	/* A NULL value is passed over, so the last key comes last. */
	const char *const keys[] = {"user", "target_session_attrs", "tcp_user_timeout",
	    "fallback_application_name", "options", "dbname", "host", "hostaddr", "port",
	    db->options.dbname == NULL ? NULL : "dbname", NULL};
	const char *const values[] = {db->options.user, "read-write", "4000",
	    db->options.application, db->session, db->options.conninfo, h->name, h->addr, h->port,
	    db->options.dbname, NULL};

	return (PQconnectStartParams(keys, values, 1));
}

enum err
db_target(struct db *db, struct buf *name)
{
	PGconn *conn = connect_start(db, NULL);
	const char *dbname = PQdb(conn);
	enum err e = ERR_OK;

	if (dbname == NULL || dbname[0] == '\0') {
		remember(db, conn == NULL ? "no memory" : PQerrorMessage(conn));
		e = ERR_INVALID;
	} else {
		buf_add(name, slice_of(dbname));
	}
	PQfinish(conn);
	return (e);
}

/* Drive the handshake to its end. */
static enum err
connect_finish(struct db *db, int64_t deadline_ms)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;
	enum err e;

	while (want != PGRES_POLLING_OK) {
		if (want == PGRES_POLLING_FAILED)
			return (ERR_DOWN);
		if ((e = wait_socket(db, want == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			 deadline_ms)) != ERR_OK)
			return (e);
		want = PQconnectPoll(db->conn);
	}
	return (PQsetnonblocking(db->conn, 1) == 0 ? ERR_OK : ERR_DOWN);
}

/* How many items ${list} has, an absent one 1.  0: an item is empty, and only libpq knows what that
 * stands for. */
static size_t
count_items(const char *list)
{
	size_t len, n = 1;

	if (list == NULL)
		return (1);
	for (;; list += len + 1, n++) {
		if ((len = strcspn(list, ",")) == 0)
			return (0);
		if (list[len] == '\0')
			return (n);
	}
}

/* Item ${i} of ${list}, or its only one.  NULL: an absent list, or no memory. */
static const char *
item(struct arena *a, const char *list, size_t i)
{
	if (list == NULL)
		return (NULL);
	if (strchr(list, ',') == NULL)
		i = 0;
	for (; i > 0; i--)
		list += strcspn(list, ",") + 1;
	return (arena_dup(a, slice_make(list, strcspn(list, ","))));
}

/* Can the lists of ${h}, which may be absent, be taken apart, and into how many hosts?  1: no, or
 * there is but one. */
static size_t
count_hosts(const struct host *h)
{
	size_t n = count_items(h->addr != NULL ? h->addr : h->name);

	if (h->addr != NULL && h->name != NULL && count_items(h->name) != n)
		return (1);
	if (count_items(h->port) != n && count_items(h->port) != 1)
		return (1);
	return (n == 0 ? 1 : n);
}

/* Take the lists apart. */
static enum err
set_hosts(struct db *db, const struct host *lists)
{
	size_t n = count_hosts(lists), i;
	struct host *h;

	if ((h = arena_alloc(db->arena, n * sizeof(*h))) == NULL)
		return (ERR_NOMEM);
	memset(h, 0, n * sizeof(*h));
	for (i = 0; i < n && n > 1; i++) {
		h[i].name = item(db->arena, lists->name, i);
		h[i].addr = item(db->arena, lists->addr, i);
		h[i].port = item(db->arena, lists->port, i);
		if ((lists->name != NULL && h[i].name == NULL) ||
		    (lists->addr != NULL && h[i].addr == NULL) ||
		    (lists->port != NULL && h[i].port == NULL))
			return (ERR_NOMEM);
	}
	db->hosts = h;
	db->nhosts = n;
	return (ERR_OK);
}

/* Find out which hosts there are: once, from a connection that has begun, where libpq has brought
 * connection string, service file and environment together. */
static enum err
find_hosts(struct db *db)
{
	PQconninfoOption *all, *o;
	struct host lists = {NULL, NULL, NULL};
	long long timeout_s = 0;
	enum err e;

	if ((db->conn = connect_start(db, NULL)) == NULL)
		return (ERR_NOMEM);
	all = PQconninfo(db->conn);
	for (o = all; o != NULL && o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "host") == 0)
			lists.name = o->val;
		else if (strcmp(o->keyword, "hostaddr") == 0)
			lists.addr = o->val;
		else if (strcmp(o->keyword, "port") == 0)
			lists.port = o->val;
		else if (strcmp(o->keyword, "connect_timeout") == 0 && o->val != NULL)
			timeout_s = strtoll(o->val, NULL, 10);
	}
	if (timeout_s > 0 && timeout_s <= CONNECT_TIMEOUT_MAX_S)
		db->connect_timeout_ms = timeout_s * 1000;
	e = set_hosts(db, &lists);
	PQconninfoFree(all);
	/* By itself libpq would never go on from a host that is silent. */
	if (e != ERR_OK || db->nhosts > 1)
		db_disconnect(db);
	return (e);
}

/* By when host ${i} must have answered, so that those behind it get their share. */
static int64_t
host_deadline(const struct db *db, size_t i, int64_t deadline_ms)
{
	int64_t now = db_now_ms(), share = deadline_ms - now;

	if (db->connect_timeout_ms > 0)
		share = share < db->connect_timeout_ms ? share : db->connect_timeout_ms;
	else if (i + 1 < db->nhosts)
		share = share / 2 < HOST_SHARE_MS ? share / 2 : HOST_SHARE_MS;
	return (now + share);
}

/* Open the connection to host ${i}. */
static enum err
connect_host(struct db *db, size_t i, int64_t deadline_ms)
{
	const char *name = db->hosts[i].name != NULL ? db->hosts[i].name : db->hosts[i].addr;
	char text[ERROR_MAX];
	enum err e;

	if (db->conn == NULL && (db->conn = connect_start(db, &db->hosts[i])) == NULL)
		return (ERR_NOMEM);
	PQsetNoticeReceiver(db->conn, on_notice, db);
	e = PQstatus(db->conn) == CONNECTION_BAD ? ERR_DOWN : connect_finish(db, deadline_ms);
	if (e == ERR_OK)
		return (ERR_OK);
	snprintf(text, sizeof(text), "connecting%s%s took too long", name == NULL ? "" : " to ",
	    name == NULL ? "" : name);
	remember_too(db, e == ERR_TIMEOUT ? text : PQerrorMessage(db->conn));
	db_disconnect(db);
	return (e);
}

/* Ask host after host for the first that lets us in and can be written to. */
static enum err
connect_any(struct db *db, size_t *host, int64_t deadline_ms)
{
	enum err e;

	*host = 0;
	if (db->nhosts == 0 && (e = find_hosts(db)) != ERR_OK)
		return (e);
	do {
		e = connect_host(db, *host, host_deadline(db, *host, deadline_ms));
	} while (e != ERR_OK && ++*host < db->nhosts);
	return (e);
}

/* Open the connection, where that is asked for as the local user whom peer authentication wants. */
static enum err
connect_now(struct db *db, int64_t deadline_ms)
{
	struct db_peer peer = {.is_another = false};
	enum err e = ERR_OK;
	size_t host = 0;

	db_disconnect(db);
	db->error[0] = '\0';
	if (db->options.as_local_user)
		e = db_peer_begin(&peer, db->options.conninfo, db->options.user);
	if (e == ERR_OK)
		e = connect_any(db, &host, deadline_ms);
	if (db_peer_end(&peer) != ERR_OK) {
		db_disconnect(db);
		remember(db, "cannot become root again");
		e = ERR_DENIED;
	}
	if (db->quiet)
		return (e);
	if (e != ERR_OK)
		log_error("db.connect", LOG_STR("error", err_word(e)), LOG_STR("why", db->error));
	else if (host > 0)
		log_warn("db.host", LOG_INT("host", (int64_t)host + 1), LOG_STR("why", db->error));
	return (e);
}

PGconn *
db_conn(const struct db *db)
{
	return (db->conn);
}

enum err
db_connect_start(struct db *db, size_t host)
{
	enum err e;

	db_disconnect(db);
	db->error[0] = '\0';
	if (db->nhosts == 0 && (e = find_hosts(db)) != ERR_OK)
		return (e);
	if (db->conn == NULL)
		db->conn = connect_start(db, &db->hosts[host % db->nhosts]);
	if (db->conn == NULL)
		return (ERR_NOMEM);
	PQsetNoticeReceiver(db->conn, on_notice, db);
	if (PQstatus(db->conn) != CONNECTION_BAD)
		return (ERR_OK);
	db_connect_failed(db, false);
	return (ERR_DOWN);
}

void
db_connect_failed(struct db *db, bool is_late)
{
	remember(db, is_late ? "connecting took too long" : PQerrorMessage(db->conn));
	log_error("db.connect", LOG_STR("error", err_word(is_late ? ERR_TIMEOUT : ERR_DOWN)),
	    LOG_STR("why", db->error));
	db_disconnect(db);
}

/* Send what is queued and wait until the next result can be had without blocking. */
static enum err
wait_result(struct db *db, int64_t deadline_ms)
{
	int unsent;
	enum err e;

	for (;;) {
		if ((unsent = PQflush(db->conn)) < 0)
			return (ERR_DOWN);
		if (unsent == 0 && PQisBusy(db->conn) == 0)
			return (ERR_OK);
		if ((e = wait_socket(
			 db, (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)), deadline_ms)) != ERR_OK)
			return (e);
		if (PQconsumeInput(db->conn) == 0)
			return (ERR_DOWN);
	}
}

/* Collect the answer to what was sent: the first error, or else the last result, goes to ${out}. */
static enum err
collect(struct db *db, int64_t deadline_ms, PGresult **out)
{
	PGresult *res;
	enum err e;

	*out = NULL;
	for (;;) {
		if ((e = wait_result(db, deadline_ms)) != ERR_OK)
			return (e);
		if ((res = PQgetResult(db->conn)) == NULL)
			return (*out == NULL ? ERR_DOWN : ERR_OK);
		if (*out != NULL && PQresultStatus(*out) == PGRES_FATAL_ERROR) {
			PQclear(res);
			continue;
		}
		PQclear(*out);
		*out = res;
	}
}

/* Find the row for the SQLSTATE of ${res}; a failure without one is the connection's. */
static const struct sqlstate_row *
judge(const PGresult *res)
{
	const char *state = res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE);
	size_t i = 0;

	if (state == NULL)
		state = "08006";
	while (strncmp(state, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) != 0)
		i++;
	return (&sqlstates[i]);
}

/* Log that ${what} failed with ${res}; the message may bear values, so only its SQLSTATE is told.
 */
static void
tell(struct db *db, const char *what, const PGresult *res, enum err e, const char *hint)
{
	remember(db, res == NULL ? PQerrorMessage(db->conn)
				 : PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	if (e == ERR_TIMEOUT)
		remember(db, "the database did not answer in time");
	if (db->quiet)
		return;
	log_warn("db.fail", LOG_STR("query", what), LOG_STR("error", err_word(e)),
	    LOG_STR("sqlstate", res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SQLSTATE)),
	    LOG_STR("hint", hint));
}

/* Did the session end, or the deadline pass, before the server said what became of it?  After an
 * ERROR nothing of the statement is left; FATAL and libpq's own failures (no severity) tell
 * nothing. */
static bool
is_unanswered(enum err e, const PGresult *res)
{
	const char *severity =
	    res == NULL ? NULL : PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

	return (e != ERR_OK || severity == NULL || strcmp(severity, "ERROR") != 0);
}

enum err
db_judge(struct db *db, const char *what, enum err e, const PGresult *res, bool *again)
{
	const struct sqlstate_row *row;
	const char *hint = NULL;

	*again = false;
	db->function_is_missing = db->is_locked_out = false;
	if (e == ERR_OK && PQresultStatus(res) != PGRES_FATAL_ERROR &&
	    PQresultStatus(res) != PGRES_BAD_RESPONSE) {
		if (!db->in_doubt)
			return (ERR_OK);
		log_warn("db.indoubt", LOG_STR("query", what));
		return (ERR_DOWN);
	}
	db->in_doubt = is_unanswered(e, res);
	if (e == ERR_OK || e == ERR_DOWN) {
		row = judge(res);
		e = row->e;
		*again = row->reconnect;
		hint = row->hint;
		db->function_is_missing = hint != NULL;
		db->is_locked_out = row->is_lock;
	}
	tell(db, what, res, e, hint);
	return (e);
}

/* Wait for the answer and judge it.  ${again}: the session is lost, a second call may succeed. */
static enum err
finish(struct db *db, const char *what, int64_t deadline_ms, PGresult **out, bool *again)
{
	PGresult *res = NULL;
	enum err e = collect(db, deadline_ms, &res);

	if ((e = db_judge(db, what, e, res, again)) == ERR_OK) {
		*out = res;
		return (ERR_OK);
	}
	PQclear(res);
	if (e == ERR_TIMEOUT || *again)
		db_disconnect(db);
	return (e);
}

bool
db_is_prepared(const struct db *db, const struct db_query *query)
{
	size_t i;

	for (i = 0; i < db->nprepared; i++) {
		if (db->prepared[i] == query->name)
			return (true);
	}
	return (false);
}

void
db_note_prepared(struct db *db, const struct db_query *query)
{
	db->prepared[db->nprepared++] = query->name;
}

enum err
db_send_prepare(struct db *db, const struct db_query *query)
{
	db->in_doubt = false;
	if (db->nprepared == PREPARED_MAX)
		return (ERR_INTERNAL);
	return (PQsendPrepare(db->conn, query->name, query->sql, 0, NULL) != 0 ? ERR_OK : ERR_DOWN);
}

/* Prepare ${query} on this connection unless it is. */
static enum err
prepare(struct db *db, const struct db_query *query, int64_t deadline_ms, bool *again)
{
	PGresult *res = NULL;
	enum err e;

	*again = true;
	if (db_is_prepared(db, query))
		return (ERR_OK);
	if ((e = db_send_prepare(db, query)) != ERR_OK) {
		db_disconnect(db);
		return (e);
	}
	if ((e = finish(db, query->name, deadline_ms, &res, again)) != ERR_OK)
		return (e);
	PQclear(res);
	db_note_prepared(db, query);
	return (ERR_OK);
}

enum err
db_send_call(
    struct db *db, const struct db_query *query, const struct db_param *params, size_t nparams)
{
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];
	size_t i;

	db->in_doubt = false;
	if (nparams > PARAMS_MAX)
		return (ERR_INTERNAL);
	for (i = 0; i < nparams; i++) {
		values[i] = params[i].kind == DB_NULL ? NULL : params[i].value.ptr;
		lengths[i] = (int)params[i].value.len;
		formats[i] = params[i].kind == DB_BYTES ? 1 : 0;
	}
	return (PQsendQueryPrepared(
		    db->conn, query->name, (int)nparams, values, lengths, formats, 0) != 0
		    ? ERR_OK
		    : ERR_DOWN);
}

const struct db_query *
db_schema_query(const struct db *db)
{
	return (db->schema_fits ? NULL : db->options.schema_query);
}

enum err
db_schema_judge(struct db *db, enum err e, const struct db_rows *rows)
{
	/* who tells a courier came with the second release: its absence is an answer too */
	const int64_t version = e == ERR_OK && db_nrows(rows) > 0 ? db_int(rows, 0, 0, 0) : -1;
	char text[ERROR_MAX];

	if (e != ERR_OK && e != ERR_DENIED && !db->function_is_missing)
		return (e);
	db->schema_fits = version >= db->options.schema_min;
	db->schema_is_old = !db->schema_fits;
	if (db->schema_fits)
		return (ERR_OK);
	if (e == ERR_DENIED)
		snprintf(text, sizeof(text),
		    "the role %s may not call the schema's functions, as in a database that was "
		    "restored without its grants",
		    db->options.user);
	else if (version < 0)
		snprintf(text, sizeof(text),
		    "the schema is missing or older than version %lld, which this program needs",
		    (long long)db->options.schema_min);
	else
		snprintf(text, sizeof(text),
		    "the schema is at version %lld, and this program needs %lld",
		    (long long)version, (long long)db->options.schema_min);
	remember(db, text);
	if (!db->quiet)
		log_error("db.schema", LOG_STR("why", text),
		    LOG_STR("hint", "run sigsentryctl migrate; this program waits for it"));
	return (ERR_DOWN);
}

/* Ask for the schema's version, and hold it against what this program needs. */
static enum err
check_schema(struct db *db, const struct db_query *query, int64_t deadline_ms, bool *again)
{
	PGresult *res = NULL;
	enum err e = prepare(db, query, deadline_ms, again);

	if (e == ERR_OK) {
		*again = true;
		e = db_send_call(db, query, NULL, 0);
		if (e == ERR_OK)
			e = finish(db, query->name, deadline_ms, &res, again);
		else
			db_disconnect(db);
	}
	e = db_schema_judge(db, e, (const struct db_rows *)res);
	PQclear(res);
	db->in_doubt = false;
	return (e);
}

/* One try at the call. */
static enum err
call_once(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t deadline_ms, PGresult **out, bool *again)
{
	const struct db_query *schema;
	enum err e;

	*again = false;
	db->in_doubt = false;
	db->schema_is_old = false;
	if (!db_is_open(db) && (e = connect_now(db, deadline_ms)) != ERR_OK)
		return (e);
	if ((schema = db_schema_query(db)) != NULL &&
	    (e = check_schema(db, schema, deadline_ms, again)) != ERR_OK)
		return (e);
	e = prepare(db, query, deadline_ms, again);
	db->in_doubt = false; /* nothing was called yet */
	if (e != ERR_OK)
		return (e);
	if (db_send_call(db, query, params, nparams) != ERR_OK) {
		*again = true;
		db_disconnect(db);
		return (ERR_DOWN);
	}
	return (finish(db, query->name, deadline_ms, out, again));
}

enum err
db_call(struct db *db, const struct db_query *query, const struct db_param *params, size_t nparams,
    int64_t deadline_ms, struct db_rows **out)
{
	PGresult *res = NULL;
	bool again;
	enum err e;

	e = call_once(db, query, params, nparams, deadline_ms, &res, &again);
	if (e != ERR_OK && again && !(db->options.once && db->in_doubt))
		e = call_once(db, query, params, nparams, deadline_ms, &res, &again);
	*out = (struct db_rows *)res;
	return (e);
}

enum err
db_script(struct db *db, const char *sql, int64_t deadline_ms, struct buf *why)
{
	PGresult *res = NULL;
	bool again;
	enum err e;

	if (!db_is_open(db) && (e = connect_now(db, deadline_ms)) != ERR_OK)
		goto out;
	if (PQsendQuery(db->conn, sql) == 0) {
		e = ERR_DOWN;
		goto out;
	}
	e = finish(db, "script", deadline_ms, &res, &again);
	PQclear(res);
out:
	if (e != ERR_OK && why != NULL)
		buf_printf(why, "%s", db->error);
	return (e);
}

void
db_rows_free(struct db_rows *rows)
{
	PQclear((PGresult *)rows);
}

size_t
db_nrows(const struct db_rows *rows)
{
	return ((size_t)PQntuples((const PGresult *)rows));
}

size_t
db_ncols(const struct db_rows *rows)
{
	return ((size_t)PQnfields((const PGresult *)rows));
}

const char *
db_col_name(const struct db_rows *rows, size_t col)
{
	return (PQfname((const PGresult *)rows, (int)col));
}

enum db_type
db_col_type(const struct db_rows *rows, size_t col)
{
	switch (PQftype((const PGresult *)rows, (int)col)) {
	case OID_BOOL: return (DB_TYPE_BOOL);
	case OID_JSON:
	case OID_JSONB: return (DB_TYPE_JSON);
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_FLOAT8:
	case OID_NUMERIC: return (DB_TYPE_NUMBER);
	default: return (DB_TYPE_TEXT);
	}
}

struct slice
db_text(const struct db_rows *rows, size_t row, size_t col)
{
	const PGresult *res = (const PGresult *)rows;

	if (PQgetisnull(res, (int)row, (int)col) != 0)
		return (slice_make(NULL, 0));
	return (slice_make(
	    PQgetvalue(res, (int)row, (int)col), (size_t)PQgetlength(res, (int)row, (int)col)));
}

int64_t
db_int(const struct db_rows *rows, size_t row, size_t col, int64_t otherwise)
{
	struct slice s = db_text(rows, row, col);

	return (s.ptr == NULL ? otherwise : strtoll(s.ptr, NULL, 10));
}

struct db_param
db_param_null(void)
{
	struct db_param p = {DB_NULL, {NULL, 0}};

	return (p);
}

struct db_param
db_param_bool(bool yes)
{
	return (db_param_text(slice_of(yes ? "t" : "f")));
}

struct db_param
db_param_text(struct slice s)
{
	struct db_param p = {s.ptr == NULL ? DB_NULL : DB_TEXT, s};

	return (p);
}

struct db_param
db_param_bytes(const void *ptr, size_t len)
{
	struct db_param p = {DB_BYTES, slice_make(ptr, len)};

	return (p);
}

struct db_param
db_param_uuid(const struct uuid *u, char text[UUID_TEXT_SIZE])
{
	uuid_text(u, text);
	return (db_param_text(slice_make(text, UUID_TEXT_SIZE - 1)));
}

struct db_param
db_param_int(int64_t n, char text[DB_INT_SIZE])
{
	snprintf(text, DB_INT_SIZE, "%lld", (long long)n);
	return (db_param_text(slice_of(text)));
}

/* The comma or brace that goes before an element. */
static void
array_next(struct buf *b)
{
	buf_addc(b, b->len == 0 ? '{' : ',');
}

void
db_array_text(struct buf *b, struct slice s)
{
	size_t i;

	array_next(b);
	buf_addc(b, '"');
	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.ptr[i]);
	}
	buf_addc(b, '"');
}

void
db_array_bytes(struct buf *b, struct slice s)
{
	char hex[3];
	size_t i;

	array_next(b);
	buf_add(b, slice_of("\"\\\\x"));
	for (i = 0; i < s.len; i++) {
		text_hex((const uint8_t *)s.ptr + i, 1, hex);
		buf_add(b, slice_make(hex, 2));
	}
	buf_addc(b, '"');
}

void
db_array_null(struct buf *b)
{
	array_next(b);
	buf_add(b, slice_of("NULL"));
}

void
db_array_end(struct buf *b)
{
	if (b->len == 0)
		buf_addc(b, '{');
	buf_addc(b, '}');
}
