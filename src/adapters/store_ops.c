/* What the programs ask about the service itself. */
#include "adapters/store_ops.h"

#include "sql_queries.h"

#define HOUSEKEEP_MS 30000 /* a count of 1,000,000 channels takes a fraction of a second */

/* Is the bool in column ${col} of the one row true? */
static bool
is_true(const struct db_rows *rows, size_t col)
{
	return (slice_eq(db_text(rows, 0, col), slice_of("t")));
}

enum err
store_ready(struct db *db, int64_t deadline_ms, int64_t *version, bool *is_writable)
{
	struct db_rows *rows = NULL;
	enum err e;

	if ((e = db_call(db, &Q_API_READY, NULL, 0, deadline_ms, &rows)) == ERR_OK) {
		*version = db_int(rows, 0, 0, 0);
		*is_writable = is_true(rows, 1);
	}
	db_rows_free(rows);
	return (e);
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
		label = db_text(rows, i, 1);
		value = db_text(rows, i, 2);
		if (!slice_eq(name, last))
			buf_printf(out, "# TYPE %.*s %s\n", (int)name.len, name.ptr,
			    slice_ends_nocase(name, slice_of("_total")) ? "counter" : "gauge");
		last = name;
		buf_add(out, name);
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

bool
store_housekeep_is_more(const struct db_rows *rows)
{
	return (is_true(rows, 0) && is_true(rows, 1));
}
