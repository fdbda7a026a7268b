/* Channels and the right to touch them, as rows: the API's two questions to the database. */
#include "adapters/store_channel.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sql_queries.h"

/* Copy a text column, "" for NULL; ${cap} fits every value that the schema allows. */
static void
copy_text(const struct db_rows *rows, size_t col, char *out, size_t cap)
{
	struct slice s = db_text(rows, 0, col);

	snprintf(out, cap, "%.*s", (int)s.len, s.ptr == NULL ? "" : s.ptr);
}

/* Read the row that every api function gives: status, key, tenant, project[, plan, limit, used]. */
static enum err
read_ruling(const struct db_rows *rows, struct ruling *out)
{
	memset(out, 0, sizeof(*out));
	if (db_nrows(rows) != 1 || verdict_parse(db_text(rows, 0, 0), &out->verdict) != ERR_OK) {
		log_error("store.status",
		    LOG_SLICE(
			"status", db_nrows(rows) == 1 ? db_text(rows, 0, 0) : slice_of("no row")));
		return (ERR_INTERNAL);
	}
	copy_text(rows, 1, out->key_id, sizeof(out->key_id));
	copy_text(rows, 2, out->tenant_id, sizeof(out->tenant_id));
	copy_text(rows, 3, out->project_id, sizeof(out->project_id));
	if (db_ncols(rows) < 7)
		return (ERR_OK);
	copy_text(rows, 4, out->plan, sizeof(out->plan));
	out->limit = db_int(rows, 0, 5, -1);
	out->used = db_int(rows, 0, 6, -1);
	return (ERR_OK);
}

/* Make the call and read its ruling. */
static enum err
ask(struct db *db, const struct db_query *query, const struct db_param *params, size_t nparams,
    int64_t deadline_ms, struct ruling *out)
{
	struct db_rows *rows = NULL;
	enum err e;

	if ((e = db_call(db, query, params, nparams, deadline_ms, &rows)) == ERR_OK)
		e = read_ruling(rows, out);
	db_rows_free(rows);
	return (e);
}

/* The project parameter: NULL where none was sent. */
static struct db_param
project_param(const struct store_caller *who, char text[UUID_TEXT_SIZE])
{
	return (who->has_project ? db_param_uuid(&who->project, text) : db_param_null());
}

enum err
store_admit(struct db *db, const struct store_caller *who, const char *permission,
    int64_t deadline_ms, struct ruling *out)
{
	char project[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    project_param(who, project),
	    db_param_text(slice_of(who->project_is_bad ? "t" : "f")),
	    db_param_text(slice_of(permission)),
	};

	return (
	    ask(db, &Q_API_ADMIT, params, sizeof(params) / sizeof(params[0]), deadline_ms, out));
}

enum err
store_channel_create(struct db *db, const struct store_caller *who,
    const struct store_channel *channel, int64_t deadline_ms, struct ruling *out)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], threshold[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    project_param(who, project),
	    db_param_uuid(channel->id, id),
	    db_param_text(slice_of(channel->type)),
	    db_param_text(channel->name),
	    db_param_int(channel->threshold, threshold),
	    db_param_text(slice_of(channel->destination)),
	    db_param_text(slice_of(channel->fields)),
	    db_param_text(slice_of(channel->sealed)),
	};

	return (ask(db, &Q_API_CHANNEL_CREATE, params, sizeof(params) / sizeof(params[0]),
	    deadline_ms, out));
}
