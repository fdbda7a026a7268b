/* Deliveries as rows, as far as the API shows and repeats them. */
#include "adapters/store_delivery.h"

#include "sql_queries.h"

#define NPARAMS(p) (sizeof(p) / sizeof((p)[0]))

enum err
store_delivery_list(struct db *db, const struct store_caller *who, const struct uuid *channel,
    const struct store_delivery_page *page, int64_t deadline_ms, struct ruling *out,
    struct buf *json)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], before[UUID_TEXT_SIZE],
	    limit[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(channel, id),
	    db_param_text(page->status),
	    page->before == NULL ? db_param_null() : db_param_uuid(page->before, before),
	    db_param_int(page->limit, limit),
	};

	return (
	    store_show(db, &Q_API_DELIVERY_LIST, params, NPARAMS(params), deadline_ms, out, json));
}

/* Ask ${query}, whose parameters are the caller, a channel and a delivery. */
static enum err
ask_one(struct db *db, const struct db_query *query, const struct store_caller *who,
    const struct uuid *channel, const struct uuid *id, int64_t deadline_ms, struct ruling *out,
    struct buf *json)
{
	char project[UUID_TEXT_SIZE], channel_text[UUID_TEXT_SIZE], text[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(channel, channel_text),
	    db_param_uuid(id, text),
	};

	return (store_show(db, query, params, NPARAMS(params), deadline_ms, out, json));
}

enum err
store_delivery_get(struct db *db, const struct store_caller *who, const struct uuid *channel,
    const struct uuid *id, int64_t deadline_ms, struct ruling *out, struct buf *json)
{
	return (ask_one(db, &Q_API_DELIVERY_GET, who, channel, id, deadline_ms, out, json));
}

enum err
store_delivery_test(struct db *db, const struct store_caller *who, const struct uuid *channel,
    const struct uuid *id, int64_t deadline_ms, struct ruling *out)
{
	return (ask_one(db, &Q_API_CHANNEL_TEST, who, channel, id, deadline_ms, out, NULL));
}

enum err
store_delivery_retry(struct db *db, const struct store_caller *who, const struct uuid *channel,
    const struct uuid *id, const struct uuid *call, int64_t deadline_ms, struct ruling *out)
{
	char project[UUID_TEXT_SIZE], channel_text[UUID_TEXT_SIZE], text[UUID_TEXT_SIZE],
	    call_text[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(channel, channel_text),
	    db_param_uuid(id, text),
	    db_param_uuid(call, call_text),
	};

	return (
	    store_show(db, &Q_API_DELIVERY_RETRY, params, NPARAMS(params), deadline_ms, out, NULL));
}

enum err
store_delivery_retry_many(struct db *db, const struct store_caller *who, const struct uuid *channel,
    struct store_again *again, int64_t deadline_ms, struct ruling *out, int64_t *queued)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], after[UUID_TEXT_SIZE], batch[DB_INT_SIZE],
	    call[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(channel, id),
	    db_param_text(again->since),
	    db_param_text(again->until),
	    db_param_text(slice_of(again->statuses)),
	    again->has_after ? db_param_uuid(&again->after, after) : db_param_null(),
	    db_param_int(again->batch, batch),
	    db_param_uuid(&again->call, call),
	};
	struct db_rows *rows;
	enum err e;

	e = store_ask(
	    db, &Q_API_DELIVERIES_RETRY, params, NPARAMS(params), deadline_ms, out, &rows);
	*queued = e == ERR_OK ? db_int(rows, 0, 4, 0) : 0;
	again->has_after = e == ERR_OK && uuid_parse(db_text(rows, 0, 5), &again->after) == ERR_OK;
	db_rows_free(rows);
	return (e);
}
