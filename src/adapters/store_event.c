/* Events as rows: accepted once, and shown. */
#include "adapters/store_event.h"

#include "sql_queries.h"

#define NPARAMS(p) (sizeof(p) / sizeof((p)[0]))

/* Copy column ${col} of the one row into ${a}; NULL stays NULL. */
static enum err
keep(const struct db_rows *rows, size_t col, struct arena *a, const char **out)
{
	struct slice s = db_text(rows, 0, col);

	*out = s.ptr == NULL ? NULL : arena_dup(a, s);
	return (s.ptr != NULL && *out == NULL ? ERR_NOMEM : ERR_OK);
}

enum err
store_event_publish(struct db *db, const struct store_caller *who, const struct store_event *event,
    int64_t deadline_ms, struct arena *arena, struct ruling *out, const char **answer,
    const char **issues)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE];
	const struct store_once *once = event->once;
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(event->id, id),
	    db_param_text(event->payload),
	    once->is_asked ? db_param_bytes(once->key_mac, sizeof(once->key_mac)) : db_param_null(),
	    once->is_asked ? db_param_bytes(once->mac, sizeof(once->mac)) : db_param_null(),
	};
	struct db_rows *rows;
	enum err e;

	e = store_ask(db, &Q_API_EVENT_PUBLISH, params, NPARAMS(params), deadline_ms, out, &rows);
	if (e == ERR_OK)
		e = keep(rows, 4, arena, answer);
	if (e == ERR_OK)
		e = keep(rows, 5, arena, issues);
	db_rows_free(rows);
	return (e);
}

enum err
store_event_get(struct db *db, const struct store_caller *who, const struct uuid *id,
    int64_t deadline_ms, struct ruling *out, struct buf *json)
{
	char project[UUID_TEXT_SIZE], text[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(id, text),
	};

	return (store_show(db, &Q_API_EVENT_GET, params, NPARAMS(params), deadline_ms, out, json));
}
