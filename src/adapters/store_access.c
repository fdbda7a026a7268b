/* Who may do what: the question that the API asks first, and how every other one's answer begins.
 */
#include "adapters/store_access.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sql_queries.h"

/* The columns of sql/q/api_admit.sql. */
enum {
	ADMIT_LIMIT = 4,
	ADMIT_GRANTED,
	ADMIT_REMAINING,
	ADMIT_RESET_S,
	ADMIT_RESET_MS,
	ADMIT_TYPE,
	ADMIT_SHOWN,
	ADMIT_WRITABLE,
	ADMIT_FIELDS
};

/* Copy a text column, "" for NULL; ${cap} fits every value that the schema allows. */
static void
copy_text(const struct db_rows *rows, size_t col, char *out, size_t cap)
{
	struct slice s = db_text(rows, 0, col);

	snprintf(out, cap, "%.*s", (int)s.len, s.ptr == NULL ? "" : s.ptr);
}

/* Read status, key, tenant, project. */
static enum err
read_ruling(const struct db_rows *rows, struct ruling *out)
{
	struct ruling r;

	memset(&r, 0, sizeof(r));
	if (db_nrows(rows) != 1 || verdict_parse(db_text(rows, 0, 0), &r.verdict) != ERR_OK) {
		log_error("store.status",
		    LOG_SLICE(
			"status", db_nrows(rows) == 1 ? db_text(rows, 0, 0) : slice_of("no row")));
		return (ERR_INTERNAL);
	}
	copy_text(rows, 1, r.key_id, sizeof(r.key_id));
	copy_text(rows, 2, r.tenant_id, sizeof(r.tenant_id));
	copy_text(rows, 3, r.project_id, sizeof(r.project_id));
	*out = r;
	return (ERR_OK);
}

enum err
store_ask(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t deadline_ms, struct ruling *ruling, struct db_rows **rows)
{
	enum err e;

	*rows = NULL;
	if ((e = db_call(db, query, params, nparams, deadline_ms, rows)) != ERR_OK)
		return (e);
	return (read_ruling(*rows, ruling));
}

enum err
store_show(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t deadline_ms, struct ruling *ruling, struct buf *json)
{
	struct db_rows *rows;
	enum err e;

	e = store_ask(db, query, params, nparams, deadline_ms, ruling, &rows);
	if (e == ERR_OK && json != NULL)
		buf_add(json, db_text(rows, 0, 4));
	db_rows_free(rows);
	return (e);
}

struct db_param
store_project(const struct store_caller *who, char text[UUID_TEXT_SIZE])
{
	return (who->has_project ? db_param_uuid(&who->project, text) : db_param_null());
}

/* Read the channel that was asked about. */
static enum err
read_channel(const struct db_rows *rows, struct arena *a, struct admission *out)
{
	struct slice type = db_text(rows, 0, ADMIT_TYPE), fields = db_text(rows, 0, ADMIT_FIELDS);

	if (type.ptr == NULL)
		return (ERR_OK);
	if (channel_type_parse(type, &out->channel.type) != ERR_OK)
		return (ERR_INTERNAL);
	out->channel.shown = slice_make(NULL, 0);
	if ((out->channel.shown.ptr = arena_dup(a, db_text(rows, 0, ADMIT_SHOWN))) == NULL)
		return (ERR_NOMEM);
	out->channel.shown.len = db_text(rows, 0, ADMIT_SHOWN).len;
	channel_current_fields(&out->channel, fields);
	out->channel_is_writable = slice_eq(db_text(rows, 0, ADMIT_WRITABLE), slice_of("t"));
	out->has_channel = true;
	return (ERR_OK);
}

enum err
store_admit(struct db *db, const struct store_caller *who, const struct store_need *need,
    int64_t deadline_ms, struct arena *arena, struct ruling *ruling, struct admission *out)
{
	char project[UUID_TEXT_SIZE], channel[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_bool(who->project_is_bad),
	    db_param_text(slice_of(need->permission)),
	    db_param_bool(need->project),
	    db_param_text(slice_of(permit_kind_words[need->kind])),
	    db_param_bool(need->take),
	    need->channel == NULL ? db_param_null() : db_param_uuid(need->channel, channel),
	};
	struct db_rows *rows;
	enum err e;

	memset(out, 0, sizeof(*out));
	e = store_ask(db, &Q_API_ADMIT, params, sizeof(params) / sizeof(params[0]), deadline_ms,
	    ruling, &rows);
	if (e == ERR_OK) {
		out->is_known = db_int(rows, 0, ADMIT_RESET_S, 0) != 0;
		out->permits = (struct permit_grant){
		    .limit = db_int(rows, 0, ADMIT_LIMIT, PERMIT_UNLIMITED),
		    .granted = db_int(rows, 0, ADMIT_GRANTED, 0),
		    .remaining = db_int(rows, 0, ADMIT_REMAINING, 0),
		    .reset_s = db_int(rows, 0, ADMIT_RESET_S, 0),
		    .reset_ms = db_int(rows, 0, ADMIT_RESET_MS, 0),
		};
		e = read_channel(rows, arena, out);
	}
	db_rows_free(rows);
	return (e);
}
