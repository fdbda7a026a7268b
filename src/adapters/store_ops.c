/* What the programs ask about the service itself. */
#include "adapters/store_ops.h"

#include "domain/keyring.h"
#include "sql_queries.h"

#define HOUSEKEEP_MS 30000 /* a count of 1,000,000 channels takes a fraction of a second */

const struct db_query *
store_schema_query(enum store_who who)
{
	return (who == STORE_OF_API ? &Q_API_SCHEMA : &Q_COURIER_SCHEMA_VERSION);
}

/* Is the bool in column ${col} of the one row true? */
static bool
is_true(const struct db_rows *rows, size_t col)
{
	return (slice_eq(db_text(rows, 0, col), slice_of("t")));
}

enum err
store_ready(struct db *db, int64_t deadline_ms, struct arena *arena, struct store_readiness *out)
{
	struct db_rows *rows = NULL;
	struct slice local;
	enum err e;

	if ((e = db_call(db, &Q_API_READY, NULL, 0, deadline_ms, &rows)) != ERR_OK)
		goto out;
	local = db_text(rows, 0, 5);
	*out = (struct store_readiness){
	    .version = db_int(rows, 0, 0, 0),
	    .is_writable = is_true(rows, 1),
	    .overdue_s = db_int(rows, 0, 2, 0),
	    .beat_s = db_int(rows, 0, 3, -1),
	    .has_courier = is_true(rows, 4),
	    .local = local.ptr == NULL ? NULL : arena_dup(arena, local),
	};
	if (local.ptr != NULL && out->local == NULL)
		e = ERR_NOMEM;
out:
	db_rows_free(rows);
	return (e);
}

enum err
store_held(struct db *db, int64_t deadline_ms, struct arena *arena, const char **why)
{
	struct db_rows *rows = NULL;
	struct slice at, text;
	enum err e;

	*why = NULL;
	if ((e = db_call(db, &Q_API_HELD, NULL, 0, deadline_ms, &rows)) != ERR_OK)
		goto out;
	at = db_text(rows, 0, 0);
	text = db_text(rows, 0, 1);
	if (at.ptr == NULL)
		goto out;
	*why =
	    arena_printf(arena, "since %.*s (%.*s)", (int)at.len, at.ptr, (int)text.len, text.ptr);
	if (*why == NULL)
		e = ERR_NOMEM;
out:
	db_rows_free(rows);
	return (e);
}

enum err
store_key_retired(struct db *db, const uint8_t *id, int64_t deadline_ms, bool *retired)
{
	const struct db_param param = db_param_bytes(id, KEYRING_ID_LEN);
	struct db_rows *rows = NULL;
	enum err e;

	e = db_call(db, &Q_API_KEY_RETIRED, &param, 1, deadline_ms, &rows);
	*retired = e == ERR_OK && is_true(rows, 0);
	db_rows_free(rows);
	return (e);
}

/** What Prometheus is told of a family; one that is not here is a gauge. */
static const struct family {
	const char *name, *type, *help;
} families[] = {
    {"sigsentry_api_keys", "gauge", "API keys that are neither revoked nor expired."},
    {"sigsentry_attempts_total", "counter", "Attempts to deliver, by how they ended."},
    {"sigsentry_channels", "gauge", "Channels, switched-off ones too."},
    {"sigsentry_counted_timestamp_seconds", "gauge",
	"When a courier last made the counts that need a scan; once a minute."},
    {"sigsentry_couriers_alive", "gauge", "Couriers that beat their hearts."},
    {"sigsentry_deliveries_due", "gauge", "Deliveries that could leave now."},
    {"sigsentry_delivery_seconds", "histogram",
	"From the acceptance of a delivery to the destination's yes."},
    {"sigsentry_events_unrouted_total", "counter",
	"Events of severity low or above that reached no channel."},
    {"sigsentry_oldest_due_seconds", "gauge", "How long the oldest of these has waited."},
    {"sigsentry_queue_held", "gauge",
	"1 while nothing leaves the queue, until an admin releases it; else 0."},
    {"sigsentry_schema_version", "gauge", "Version of the database's schema."},
};

/* Append what stands in front of the samples of the family ${name}. */
static void
put_family(struct slice name, struct buf *out)
{
	const char *type = "gauge";
	size_t i;

	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (!slice_eq(name, slice_of(families[i].name)))
			continue;
		type = families[i].type;
		buf_printf(out, "# HELP %s %s\n", families[i].name, families[i].help);
	}
	buf_printf(out, "# TYPE %.*s %s\n", (int)name.len, name.ptr, type);
}

enum err
store_metrics(struct db *db, int64_t deadline_ms, struct buf *out)
{
	struct slice name, label, value, last = {"", 0};
	struct db_rows *rows = NULL;
	enum err e;
	size_t i;

	if ((e = db_call(db, &Q_API_METRICS, NULL, 0, deadline_ms, &rows)) != ERR_OK)
		goto out;
	for (i = 0; i < db_nrows(rows); i++) {
		name = db_text(rows, i, 0);
		label = db_text(rows, i, 2);
		value = db_text(rows, i, 3);
		if (!slice_eq(name, last))
			put_family(name, out);
		last = name;
		buf_add(out, name);
		buf_add(out, db_text(rows, i, 1));
		if (label.len > 0)
			buf_printf(out, "{%.*s}", (int)label.len, label.ptr);
		buf_printf(out, " %.*s\n", (int)value.len, value.ptr);
	}
out:
	db_rows_free(rows);
	return (e);
}

enum err
store_housekeep_ask(struct db_loop *d, int64_t batch, db_loop_done *done, void *ctx)
{
	char text[DB_INT_SIZE];
	const struct db_param params[] = {db_param_int(batch, text)};

	return (db_loop_call(d, &Q_COURIER_HOUSEKEEP, params, 1, HOUSEKEEP_MS, done, ctx));
}

enum err
store_history_ask(struct db_loop *d, int64_t history_s, db_loop_done *done, void *ctx)
{
	char text[DB_INT_SIZE];
	const struct db_param params[] = {db_param_int(history_s, text)};

	return (db_loop_call(d, &Q_COURIER_HISTORY_DROP, params, 1, HOUSEKEEP_MS, done, ctx));
}

bool
store_housekeep_is_more(const struct db_rows *rows)
{
	return (is_true(rows, 0) && is_true(rows, 1));
}
