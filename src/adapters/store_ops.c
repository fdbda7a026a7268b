/* What the programs ask about the service itself. */
#include "adapters/store_ops.h"

#include "sql_queries.h"

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
			buf_printf(out, "# TYPE %.*s gauge\n", (int)name.len, name.ptr);
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
store_housekeep(struct db *db, int64_t batch, int64_t deadline_ms, bool *is_done, bool *is_more)
{
	char text[DB_INT_SIZE];
	const struct db_param params[] = {db_param_int(batch, text)};
	struct db_rows *rows = NULL;
	enum err e;

	if ((e = db_call(db, &Q_COURIER_HOUSEKEEP, params, 1, deadline_ms, &rows)) == ERR_OK) {
		*is_done = is_true(rows, 0);
		*is_more = is_true(rows, 1);
	}
	db_rows_free(rows);
	return (e);
}
