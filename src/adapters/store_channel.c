/* Channels as rows: what the API asks the database to do with them. */
#include "adapters/store_channel.h"

#include <stdio.h>
#include <string.h>

#include "sql_queries.h"

/* bytes of the values of credentials, sealed and in hex */
#define SEALED_MAX (CREDENTIALS_FIELDS_MAX * (2 * (CREDENTIALS_VALUE_MAX + SEAL_OVERHEAD) + 16))

#define NPARAMS(p) (sizeof(p) / sizeof((p)[0]))

void
store_sealed_init(struct store_sealed *s)
{
	buf_init(&s->names, 256);
	buf_init(&s->boxes, SEALED_MAX);
}

void
store_sealed_clear(struct store_sealed *s)
{
	buf_clear(&s->names);
	buf_clear(&s->boxes);
}

enum err
store_seal(struct seal_sender *sender, int64_t now_ms, const struct uuid *id,
    enum channel_type type, const struct credentials *from, struct store_sealed *out)
{
	struct seal_where where = {id, channel_type_words[type], NULL};
	enum err e = ERR_OK;
	struct buf box;
	size_t i;

	buf_init(&box, CREDENTIALS_VALUE_MAX + SEAL_OVERHEAD);
	for (i = 0; i < from->nvalues && e == ERR_OK; i++) {
		where.field = from->values[i].name;
		db_array_text(&out->names, slice_of(where.field));
		if (from->values[i].removed) {
			db_array_null(&out->boxes);
			continue;
		}
		buf_reset(&box);
		e = seal_close(sender, now_ms, &where, buf_slice(&from->values[i].text), &box);
		db_array_bytes(&out->boxes, buf_slice(&box));
	}
	db_array_end(&out->names);
	db_array_end(&out->boxes);
	buf_clear(&box);
	if (e == ERR_OK && !(buf_ok(&out->names) && buf_ok(&out->boxes)))
		e = ERR_NOMEM;
	return (e);
}

/* What a create says beyond the ruling: plan, limit, used, and the first answer. */
static enum err
read_created(
    const struct db_rows *rows, struct arena *a, struct ruling *out, struct store_once *first)
{
	struct slice plan = db_text(rows, 0, 4);

	snprintf(
	    out->plan, sizeof(out->plan), "%.*s", (int)plan.len, plan.ptr == NULL ? "" : plan.ptr);
	out->limit = db_int(rows, 0, 5, -1);
	out->used = db_int(rows, 0, 6, -1);
	if (out->verdict != VERDICT_REPLAYED)
		return (ERR_OK);
	first->answer = arena_dup(a, db_text(rows, 0, 7));
	first->location = arena_dup(a, db_text(rows, 0, 8));
	return (first->answer == NULL || first->location == NULL ? ERR_NOMEM : ERR_OK);
}

enum err
store_channel_create(struct db *db, const struct store_caller *who,
    const struct store_channel *channel, int64_t deadline_ms, struct arena *arena,
    struct ruling *out, struct store_once *first)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], threshold[DB_INT_SIZE];
	const struct store_once *once = channel->once;
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(channel->id, id),
	    db_param_text(slice_of(channel->type)),
	    db_param_text(channel->name),
	    db_param_int(channel->threshold, threshold),
	    db_param_text(slice_of(channel->destination)),
	    db_param_text(slice_of(buf_str(&channel->sealed->names))),
	    db_param_text(slice_of(buf_str(&channel->sealed->boxes))),
	    once->is_asked ? db_param_bytes(once->key_mac, sizeof(once->key_mac)) : db_param_null(),
	    once->is_asked ? db_param_bytes(once->mac, sizeof(once->mac)) : db_param_null(),
	    db_param_text(slice_of(once->answer)),
	    db_param_text(slice_of(once->location)),
	};
	struct db_rows *rows;
	enum err e;

	e = store_ask(db, &Q_API_CHANNEL_CREATE, params, NPARAMS(params), deadline_ms, out, &rows);
	if (e == ERR_OK)
		e = read_created(rows, arena, out, first);
	db_rows_free(rows);
	return (e);
}

enum err
store_channel_list(struct db *db, const struct store_caller *who, const struct store_page *page,
    int64_t deadline_ms, struct ruling *out, int64_t *total, struct buf *json)
{
	char project[UUID_TEXT_SIZE], number[DB_INT_SIZE], limit[DB_INT_SIZE];
	const bool paged = page->limit > 0;
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_bool(page->with_inactive),
	    paged ? db_param_int(page->page, number) : db_param_null(),
	    paged ? db_param_int(page->limit, limit) : db_param_null(),
	};
	struct db_rows *rows;
	enum err e;

	e = store_ask(db, &Q_API_CHANNEL_LIST, params, NPARAMS(params), deadline_ms, out, &rows);
	if (e == ERR_OK) {
		buf_add(json, db_text(rows, 0, 4));
		*total = db_int(rows, 0, 5, 0);
	}
	db_rows_free(rows);
	return (e);
}

enum err
store_channel_get(struct db *db, const struct store_caller *who, const struct uuid *id,
    int64_t deadline_ms, struct ruling *out, struct buf *json)
{
	char project[UUID_TEXT_SIZE], text[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(id, text),
	};

	return (
	    store_show(db, &Q_API_CHANNEL_GET, params, NPARAMS(params), deadline_ms, out, json));
}

/* A parameter of a number; ${n} below 0 is none. */
static struct db_param
maybe_int(int64_t n, char text[DB_INT_SIZE])
{
	return (n < 0 ? db_param_null() : db_param_int(n, text));
}

enum err
store_channel_update(struct db *db, const struct store_caller *who,
    const struct store_change *change, int64_t deadline_ms, struct ruling *out)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], call[UUID_TEXT_SIZE];
	char threshold[DB_INT_SIZE], overlap[DB_INT_SIZE];
	struct store_sealed *sealed = change->sealed;
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(change->id, id),
	    db_param_uuid(change->call, call),
	    db_param_text(change->name),
	    maybe_int(change->threshold, threshold),
	    change->is_active < 0 ? db_param_null() : db_param_bool(change->is_active != 0),
	    db_param_text(slice_of(change->destination)),
	    db_param_text(slice_of(sealed == NULL ? NULL : buf_str(&sealed->names))),
	    db_param_text(slice_of(sealed == NULL ? NULL : buf_str(&sealed->boxes))),
	    db_param_bool(change->replaces),
	    db_param_int(change->overlap_s, overlap),
	};

	return (
	    store_show(db, &Q_API_CHANNEL_UPDATE, params, NPARAMS(params), deadline_ms, out, NULL));
}

enum err
store_channel_delete(struct db *db, const struct store_caller *who, const struct uuid *id,
    const struct uuid *call, int64_t deadline_ms, struct ruling *out)
{
	char project[UUID_TEXT_SIZE], text[UUID_TEXT_SIZE], call_text[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(id, text),
	    db_param_uuid(call, call_text),
	};

	return (
	    store_show(db, &Q_API_CHANNEL_DELETE, params, NPARAMS(params), deadline_ms, out, NULL));
}
