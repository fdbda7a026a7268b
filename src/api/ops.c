/* Questions of those who run the service; nginx keeps them to loopback and named networks. */
#include "api/ops.h"

#include "adapters/store_ops.h"
#include "api/call.h"
#include "sql_version.h"

#define SCHEMA_TOO_OLD "The database's schema is too old: run `sigsentryctl migrate`."
#define METRICS_TYPE   "text/plain; version=0.0.4; charset=utf-8"
#define SAID_MAX       300 /* bytes of somebody else's message that are passed on */

void
ops_health(struct call *c)
{
	reply_data(c->out, 200, slice_of("{\"status\":\"ok\"}"));
}

/* With what libpq or the server said: a standby, for one, is told apart by that alone, since
 * sessions are opened read-write. */
static const char *
unreachable(struct call *c)
{
	const char *said =
	    arena_dup(c->arena, text_utf8_cut(slice_of(db_last_error(c->api->db)), SAID_MAX));
	const char *text = arena_printf(c->arena,
	    "The database cannot be reached: %s. See `sigsentryctl check`, and the log of "
	    "sigsentry-api.",
	    said == NULL || said[0] == '\0' ? "no reason was given" : said);

	return (text != NULL ? text : "The database cannot be reached.");
}

/* With which version it has, as far as that is known. */
static const char *
too_old(struct call *c)
{
	const char *text = arena_printf(c->arena,
	    "The database waits for its upgrade: %s. Run `sigsentryctl migrate`.",
	    db_last_error(c->api->db));

	return (text != NULL ? text : SCHEMA_TOO_OLD);
}

/* A message, even where there is no memory for it. */
static const char *
said(const char *text)
{
	return (text != NULL ? text
			     : "Deliveries do not leave as they should: see "
			       "`sigsentryctl status`.");
}

/* What is accepted would not be delivered, and why; NULL: it would. */
static const char *
undelivered(struct call *c, const struct store_readiness *r)
{
	const int64_t limit_s = c->api->settings->ready_oldest_due_s;

	if (r->beat_s < 0)
		return ("No courier works on this database: events are "
			"accepted and wait. Start sigsentry-courier, and look at its log.");
	if (!r->has_courier)
		return (said(arena_printf(c->arena,
		    "No courier is alive, the last one was heard of %lld s ago: events are "
		    "accepted and wait. Start sigsentry-courier, and look at its log.",
		    (long long)r->beat_s)));
	if (r->local != NULL)
		return (said(arena_printf(c->arena,
		    "Deliveries to channels of the type %s fail by a fault on our side (mail "
		    "relay, proxy, resolver or keyring): they wait, and are tried again each "
		    "minute. `sigsentryctl delivery list --status pending` says which fault.",
		    r->local)));
	if (limit_s > 0 && r->overdue_s > limit_s)
		return (said(arena_printf(c->arena,
		    "The oldest due delivery has waited for %lld s, more than the %lld s of "
		    "ready_oldest_due_s: the couriers do not keep up. Look at their log and at "
		    "`sigsentryctl status`, and start more of them.",
		    (long long)r->overdue_s, (long long)limit_s)));
	return (NULL);
}

/* This worker seals to a key that was retired, so that nothing it seals is stored; NULL: it does
 * not. */
static const char *
outdated(struct call *c)
{
	const uint8_t *id = seal_sender_id(c->api->sender);
	char text[KEYRING_ID_TEXT];
	bool retired = false;

	if (store_key_retired(c->api->db, id, c->deadline_ms, &retired) != ERR_OK)
		return ("The database did not say whether this worker's key was retired.");
	if (!retired)
		return (NULL);
	text_hex(id, KEYRING_ID_LEN, text);
	return (said(arena_printf(c->arena,
	    "This worker seals to key %s, which was retired: what it seals is not stored. Copy the "
	    "current keyring.public to this host and reload sigsentry-api.",
	    text)));
}

/* Why this worker cannot serve; NULL: it can. */
static const char *
ill(struct call *c, int64_t *version)
{
	struct store_readiness r = {.version = 0};
	const char *why;
	enum err e = store_ready(c->api->db, c->deadline_ms, c->arena, &r);

	if (e == ERR_TIMEOUT)
		return (
		    "The database did not answer in time. See its log, and `sigsentryctl check`.");
	if (e != ERR_OK)
		return (db_schema_is_old(c->api->db) ? too_old(c) : unreachable(c));
	/* on a connection that has been asked long ago */
	if ((*version = r.version) < SQL_SCHEMA_VERSION) {
		why = arena_printf(c->arena,
		    "The database's schema is at version %lld, and this program needs %d: run "
		    "`sigsentryctl migrate`.",
		    (long long)r.version, SQL_SCHEMA_VERSION);
		return (why != NULL ? why : SCHEMA_TOO_OLD);
	}
	if (!r.is_writable)
		return ("The database can only be read: it is a standby. Name the primary in "
			"`database`, or all hosts with target_session_attrs=read-write.");
	if ((why = outdated(c)) != NULL)
		return (why);
	if (store_held(c->api->db, c->deadline_ms, c->arena, &why) != ERR_OK)
		return (unreachable(c));
	if (why != NULL)
		return (said(arena_printf(c->arena,
		    "The queue is held %s: events are accepted and wait. `sigsentryctl queue "
		    "status` shows what waits, `queue release` sends all of it, `queue discard "
		    "--before TIME` only what was published since then.",
		    why)));
	return (undelivered(c, &r));
}

void
ops_ready(struct call *c)
{
	int64_t version = 0;
	const char *why = ill(c, &version);
	char *data;

	if (why != NULL)
		reply_unready(c->out, why);
	else if ((data = arena_printf(c->arena, "{\"status\":\"ready\",\"schemaVersion\":%lld}",
		      (long long)version)) != NULL)
		reply_data(c->out, 200, slice_of(data));
	else
		reply_refuse(c->out, REFUSAL_INTERNAL, slice_of(NULL));
}

/* Without the database its counts are missing, and one line says so: what this host has counted is
 * wanted then more than ever. */
void
ops_metrics(struct call *c)
{
	struct buf counts;
	enum err e;

	buf_init(&counts, 1024 * 1024);
	e = store_metrics(c->api->db, c->deadline_ms, &counts);
	reply_text(c->out, METRICS_TYPE);
	buf_printf(&c->out->body, "# HELP sigsentry_build_info Version of sigsentry-api.\n"
				  "# TYPE sigsentry_build_info gauge\n"
				  "sigsentry_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
	buf_printf(&c->out->body,
	    "# HELP sigsentry_database_up Whether this worker reached the database just now.\n"
	    "# TYPE sigsentry_database_up gauge\nsigsentry_database_up %d\n",
	    e == ERR_OK ? 1 : 0);
	if (c->api->counters != NULL)
		counters_print(c->api->counters, &c->out->body);
	if (e == ERR_OK)
		buf_add(&c->out->body, buf_slice(&counts));
	buf_clear(&counts);
}
