/*
 * db for an event loop.  A step at a time: connect, prepare, send, collect; each goes on when the
 * socket is ready.  What an error means, and how a connection is made, is db's to say.
 */
#include "adapters/db_loop.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/db_inner.h"
#include "base/log.h"
#include "base/mem.h"

#define CONNECT_MS     5000 /* one try to connect takes so long at the most */
#define PAUSE_FIRST_MS 100  /* after a connection that failed */
#define PAUSE_MAX_MS   5000

/** A call in line. */
struct job {
	struct job *next;
	const struct db_query *query;
	struct arena *arena; /* of the parameters */
	struct db_param *params;
	size_t nparams;
	int64_t ends_ms;
	bool is_again;      /* it has been sent before */
	db_loop_done *done; /* NULL: the question for the schema's version */
	void *ctx;
};

/* What the connection is at. */
enum step { STEP_CLOSED = 0, STEP_CONNECTING, STEP_IDLE, STEP_PREPARING, STEP_ASKING };

struct db_loop {
	struct db *db; /* for its options, prepared statements and last error */
	enum step step;
	PostgresPollingStatusType want; /* while connecting */
	int64_t step_ends_ms;           /* while connecting */
	unsigned sessions;              /* that were opened */
	size_t host;                    /* of several; the next one after a failure */
	int64_t again_at_ms, pause_ms;  /* after a failure */
	PGresult *result;               /* the answer so far */
	struct job *first, **last;
};

struct db_loop *
db_loop_new(const struct db_options *options)
{
	struct db_loop *d;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return (NULL);
	d->last = &d->first;
	if ((d->db = db_new(options)) == NULL) {
		free(d);
		return (NULL);
	}
	return (d);
}

static void
job_free(struct job *j)
{
	arena_free(j->arena);
	free(j);
}

/* Take the first call out of the line. */
static struct job *
job_pop(struct db_loop *d)
{
	struct job *j = d->first;

	if ((d->first = j->next) == NULL)
		d->last = &d->first;
	return (j);
}

void
db_loop_free(struct db_loop *d)
{
	if (d == NULL)
		return;
	while (d->first != NULL)
		job_free(job_pop(d));
	PQclear(d->result);
	db_free(d->db);
	free(d);
}

/* Copy the parameters into the call's own memory. */
static enum err
copy_params(struct job *j, const struct db_param *params, size_t nparams)
{
	size_t i;

	if ((j->params = arena_alloc(j->arena, (nparams + 1) * sizeof(*params))) == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < nparams; i++) {
		j->params[i] = params[i];
		if (params[i].kind == DB_NULL)
			continue;
		j->params[i].value.ptr = arena_dup(j->arena, params[i].value);
		if (j->params[i].value.ptr == NULL)
			return (ERR_NOMEM);
	}
	j->nparams = nparams;
	return (ERR_OK);
}

enum err
db_loop_call(struct db_loop *d, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t timeout_ms, db_loop_done *done, void *ctx)
{
	struct job *j;

	if ((j = calloc(1, sizeof(*j))) == NULL)
		return (ERR_NOMEM);
	if ((j->arena = arena_new()) == NULL || copy_params(j, params, nparams) != ERR_OK) {
		job_free(j);
		return (ERR_NOMEM);
	}
	j->query = query;
	j->ends_ms = db_now_ms() + timeout_ms;
	j->done = done;
	j->ctx = ctx;
	*d->last = j;
	d->last = &j->next;
	return (ERR_OK);
}

int
db_loop_fd(const struct db_loop *d)
{
	return (d->step == STEP_CLOSED ? -1 : PQsocket(db_conn(d->db)));
}

short
db_loop_events(const struct db_loop *d)
{
	if (d->step == STEP_CONNECTING)
		return (d->want == PGRES_POLLING_READING ? POLLIN : POLLOUT);
	if (d->step == STEP_CLOSED)
		return (0);
	return ((short)(POLLIN | (PQflush(db_conn(d->db)) > 0 ? POLLOUT : 0)));
}

int64_t
db_loop_wait_ms(const struct db_loop *d, int64_t now_ms)
{
	int64_t at_ms;

	if (d->first == NULL)
		return (-1);
	at_ms = d->first->ends_ms;
	if (d->step == STEP_CLOSED && d->again_at_ms < at_ms)
		at_ms = d->again_at_ms;
	if (d->step == STEP_CONNECTING && d->step_ends_ms < at_ms)
		at_ms = d->step_ends_ms;
	if (d->step == STEP_IDLE)
		at_ms = now_ms;
	return (at_ms > now_ms ? at_ms - now_ms : 0);
}

bool
db_loop_is_connecting(const struct db_loop *d)
{
	return (d->step == STEP_CONNECTING);
}

unsigned
db_loop_sessions(const struct db_loop *d)
{
	return (d->sessions);
}

bool
db_loop_is_idle(const struct db_loop *d)
{
	return (d->first == NULL);
}

/* End the first call. */
static void
end_first(struct db_loop *d, enum err e, const PGresult *rows)
{
	struct job *j = job_pop(d);

	j->done(j->ctx, e, (const struct db_rows *)rows);
	job_free(j);
}

/* Is the first call the question for the schema's version, which nobody but this room waits for? */
static bool
is_asking_schema(const struct db_loop *d)
{
	return (d->first != NULL && d->first->done == NULL);
}

/* The connection is of no more use; the next one is tried after a pause. */
static void
lose(struct db_loop *d, int64_t now_ms)
{
	if (is_asking_schema(d))
		job_free(job_pop(d));
	PQclear(d->result);
	d->result = NULL;
	db_disconnect(d->db);
	d->step = STEP_CLOSED;
	d->host++;
	d->pause_ms = d->pause_ms == 0 ? PAUSE_FIRST_MS : d->pause_ms * 2;
	if (d->pause_ms > PAUSE_MAX_MS)
		d->pause_ms = PAUSE_MAX_MS;
	d->again_at_ms = now_ms + d->pause_ms;
}

/* The first call failed with the connection: once it is put to the next one, then given up. */
static void
lose_call(struct db_loop *d, enum err e, int64_t now_ms)
{
	const bool is_ours = is_asking_schema(d);
	struct job *j;

	lose(d, now_ms);
	if (is_ours)
		return;
	j = d->first;
	if (j == NULL || !j->is_again) {
		if (j != NULL)
			j->is_again = true;
		return;
	}
	end_first(d, e, NULL);
}

static void
start_connect(struct db_loop *d, int64_t now_ms)
{
	if (db_connect_start(d->db, d->host) != ERR_OK) {
		lose(d, now_ms);
		return;
	}
	d->step = STEP_CONNECTING;
	d->want = PGRES_POLLING_WRITING;
	d->step_ends_ms = now_ms + CONNECT_MS;
}

/* The connection stands: put the question for the schema's version before all that waits. */
static enum err
ask_schema(struct db_loop *d, int64_t now_ms)
{
	const struct db_query *query = db_schema_query(d->db);
	struct job *j;

	if (query == NULL)
		return (ERR_OK);
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return (ERR_NOMEM);
	j->query = query;
	j->ends_ms = now_ms + CONNECT_MS;
	j->next = d->first;
	if (d->first == NULL)
		d->last = &j->next;
	d->first = j;
	return (ERR_OK);
}

/* Its answer, or its failure: where the schema is too old, the next connection finds out whether it
 * still is. */
static void
schema_answered(struct db_loop *d, enum err e, const PGresult *rows, int64_t now_ms)
{
	if (db_schema_judge(d->db, e, (const struct db_rows *)rows) != ERR_OK) {
		lose(d, now_ms);
		return;
	}
	job_free(job_pop(d));
	d->pause_ms = 0;
}

/* Go on with the handshake.  True: there is more to do at once. */
static bool
connect_more(struct db_loop *d, int64_t now_ms)
{
	PGconn *conn = db_conn(d->db);
	struct pollfd p = {PQsocket(conn), db_loop_events(d), 0};

	if (now_ms >= d->step_ends_ms) {
		db_connect_failed(d->db, true);
		lose(d, now_ms);
		return (false);
	}
	if (poll(&p, 1, 0) == 0)
		return (false);
	d->want = PQconnectPoll(conn);
	if (d->want == PGRES_POLLING_FAILED) {
		db_connect_failed(d->db, false);
		lose(d, now_ms);
		return (false);
	}
	if (d->want != PGRES_POLLING_OK)
		return (true);
	(void)PQsetnonblocking(conn, 1);
	log_info("db.open", LOG_STR("host", PQhost(conn)));
	d->step = STEP_IDLE;
	d->sessions++;
	if (ask_schema(d, now_ms) != ERR_OK) {
		lose(d, now_ms);
		return (false);
	}
	/* else it begins anew only with the schema's answer, so that the pauses grow */
	if (!is_asking_schema(d))
		d->pause_ms = 0;
	return (true);
}

/* Send the first call, or what must be prepared for it. */
static bool
send_first(struct db_loop *d, int64_t now_ms)
{
	struct job *j = d->first;
	enum err e;

	if (db_is_prepared(d->db, j->query)) {
		e = db_send_call(d->db, j->query, j->params, j->nparams);
		d->step = STEP_ASKING;
	} else {
		e = db_send_prepare(d->db, j->query);
		d->step = STEP_PREPARING;
	}
	if (e != ERR_OK)
		lose_call(d, e, now_ms);
	return (e == ERR_OK);
}

/* The answer to what was sent is whole: go on, or end the call. */
static void
answered(struct db_loop *d, int64_t now_ms)
{
	const enum step was = d->step;
	PGresult *result = d->result;
	bool is_lost;
	enum err e;

	d->result = NULL;
	d->step = STEP_IDLE;
	e = db_judge(d->db, d->first->query->name, ERR_OK, result, &is_lost);
	if (is_lost)
		lose_call(d, e, now_ms);
	else if (e == ERR_OK && was == STEP_PREPARING)
		db_note_prepared(d->db, d->first->query);
	else if (is_asking_schema(d))
		schema_answered(d, e, result, now_ms);
	else if (e != ERR_OK)
		end_first(d, e, NULL);
	else
		end_first(d, ERR_OK, result);
	PQclear(result);
}

/* Read what has come.  True: there is more to do at once. */
static bool
collect_more(struct db_loop *d, int64_t now_ms)
{
	PGconn *conn = db_conn(d->db);
	PGresult *res;

	if (PQflush(conn) < 0 || PQconsumeInput(conn) == 0) {
		(void)!db_judge(d->db, d->first->query->name, ERR_DOWN, NULL, &(bool){false});
		lose_call(d, ERR_DOWN, now_ms);
		return (false);
	}
	while (PQisBusy(conn) == 0) {
		if ((res = PQgetResult(conn)) == NULL) {
			answered(d, now_ms);
			return (d->step == STEP_IDLE);
		}
		if (d->result != NULL && PQresultStatus(d->result) == PGRES_FATAL_ERROR) {
			PQclear(res);
			continue;
		}
		PQclear(d->result);
		d->result = res;
	}
	return (false);
}

/* A call that has waited too long ends; one that is under way takes the connection with it, since
 * its answer would be taken for the next one's. */
static void
end_late(struct db_loop *d, int64_t now_ms)
{
	bool is_ours;

	while (d->first != NULL && now_ms >= d->first->ends_ms) {
		is_ours = is_asking_schema(d);
		if (d->step == STEP_ASKING || d->step == STEP_PREPARING)
			log_warn("db.fail", LOG_STR("query", d->first->query->name),
			    LOG_STR("error", "timeout"));
		if (is_ours || d->step == STEP_ASKING || d->step == STEP_PREPARING)
			lose(d, now_ms);
		if (!is_ours)
			end_first(d, ERR_TIMEOUT, NULL);
	}
}

/* One step further.  True: there is more to do at once. */
static bool
step(struct db_loop *d, int64_t now_ms)
{
	switch (d->step) {
	case STEP_CLOSED:
		if (d->first == NULL || now_ms < d->again_at_ms)
			return (false);
		start_connect(d, now_ms);
		return (d->step == STEP_CONNECTING);
	case STEP_CONNECTING: return (connect_more(d, now_ms));
	case STEP_IDLE:
		if (d->first != NULL)
			return (send_first(d, now_ms));
		/* a connection that ends while nothing is asked of it */
		if (PQconsumeInput(db_conn(d->db)) == 0)
			lose(d, now_ms);
		return (false);
	case STEP_PREPARING:
	case STEP_ASKING: return (collect_more(d, now_ms));
	}
	return (false);
}

void
db_loop_ready(struct db_loop *d, int64_t now_ms)
{
	/* what has come counts, however late: this process may have stood still */
	if (d->step == STEP_PREPARING || d->step == STEP_ASKING)
		(void)collect_more(d, now_ms);
	end_late(d, now_ms);
	while (step(d, now_ms))
		continue;
}

bool
db_loop_is_locked_out(const struct db_loop *d)
{
	return (db_is_locked_out(d->db));
}
