/* The queue as a courier sees it: batches out, batches of outcomes in. */
#include "adapters/store_queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/seal.h"
#include "sql_queries.h"

#define NPARAMS(p) (sizeof(p) / sizeof((p)[0]))
#define CLAIM_MS   10000
#define RECORD_MS  30000
#define BEAT_MS    10000
#define LEAVE_MS   2000
#define ARRAYS_MAX (64 * 1024 * 1024) /* bytes of an array parameter */

/* The columns of sql/q/courier_claim.sql. */
enum {
	C_TENANT = 0,
	C_ID,
	C_CHANNEL,
	C_TYPE,
	C_ATTEMPTS,
	C_TEST,
	C_EVENT,
	C_PROJECT,
	C_SLUG,
	C_NAME,
	C_SEVERITY,
	C_PAYLOAD,
	C_OCCURRED,
	C_ACCEPTED,
	C_PROGRESS,
	C_CREDENTIALS,
	C_FAILING
};

/* Append numbers to array parameters; one below 0 is NULL where ${nullable}. */
static void
array_int(struct buf *b, int64_t n, bool nullable)
{
	char text[DB_INT_SIZE];

	if (nullable && n < 0)
		db_array_null(b);
	else
		db_array_text(b, db_param_int(n, text).value);
}

static void
array_uuid(struct buf *b, const struct uuid *u)
{
	char text[UUID_TEXT_SIZE];

	db_array_text(b, db_param_uuid(u, text).value);
}

static void
array_maybe(struct buf *b, const char *str)
{
	if (str == NULL)
		db_array_null(b);
	else
		db_array_text(b, slice_of(str));
}

enum err
store_claim_ask(struct db_loop *d, const struct store_claim *claim, db_loop_done *done, void *ctx)
{
	char id[UUID_TEXT_SIZE], nfree[DB_INT_SIZE], nfailing[DB_INT_SIZE], lease[DB_INT_SIZE];
	char cap[DB_INT_SIZE], mark[UUID_TEXT_SIZE];
	const struct db_param id_param = db_param_uuid(&claim->id, id);
	struct buf types, flights, gaps;
	enum err e;
	size_t i;

	buf_init(&types, 4096);
	buf_init(&flights, 4096);
	buf_init(&gaps, 4096);
	for (i = 0; i < CHANNEL__MAX; i++) {
		db_array_text(&types, slice_of(channel_type_words[i]));
		array_int(&flights, claim->pace[i].flights, false);
		array_int(&gaps, claim->pace[i].gap_ms, false);
	}
	db_array_end(&types);
	db_array_end(&flights);
	db_array_end(&gaps);
	{
		/* the guard's parameters stand between the claim's first and its others */
		struct db_param params[] = {
		    id_param,
		    db_param_null(),
		    db_param_null(),
		    id_param,
		    db_param_int(claim->nfree, nfree),
		    db_param_int(claim->nfailing, nfailing),
		    db_param_int(claim->lease_s, lease),
		    db_param_text(slice_of(buf_str(&types))),
		    db_param_text(slice_of(buf_str(&flights))),
		    db_param_text(slice_of(buf_str(&gaps))),
		    db_param_int(claim->mail_daily_cap, cap),
		};

		if (claim->epoch != NULL) {
			params[1] = db_param_uuid(&claim->epoch->mark, mark);
			params[2] = db_param_text(slice_of(claim->epoch->made_at));
			params[3] = db_param_text(slice_of(claim->courier));
			e = db_loop_call(
			    d, &Q_COURIER_GUARD, params, NPARAMS(params), CLAIM_MS, done, ctx);
		} else {
			e = db_loop_call(d, &Q_COURIER_CLAIM, params + 3, NPARAMS(params) - 3,
			    CLAIM_MS, done, ctx);
		}
	}
	buf_clear(&types);
	buf_clear(&flights);
	buf_clear(&gaps);
	return (e);
}

enum err
store_epoch_ask(struct db_loop *d, const struct epoch *epoch, const char *courier,
    db_loop_done *done, void *ctx)
{
	char mark[UUID_TEXT_SIZE];
	struct db_param params[] = {
	    db_param_null(), db_param_null(), db_param_text(slice_of(courier))};

	if (epoch != NULL) {
		params[0] = db_param_uuid(&epoch->mark, mark);
		params[1] = db_param_text(slice_of(epoch->made_at));
	}
	return (db_loop_call(d, &Q_COURIER_EPOCH, params, NPARAMS(params), CLAIM_MS, done, ctx));
}

enum err
store_epoch_read(const struct db_rows *rows, struct store_epoch *out)
{
	struct slice mark;

	if (db_nrows(rows) != 1)
		return (ERR_INTERNAL);
	mark = db_text(rows, 0, 1);
	out->is_lost = slice_eq(db_text(rows, 0, 0), slice_of("t"));
	out->has_next = mark.ptr != NULL;
	out->held_at = db_text(rows, 0, 3);
	out->held_by = db_text(rows, 0, 4);
	out->why = db_text(rows, 0, 5);
	if (out->has_next && epoch_set(&out->next, mark, db_text(rows, 0, 2)) != ERR_OK)
		return (ERR_INTERNAL);
	return (ERR_OK);
}

/* Decode hex into the arena; "" gives an absent slice. */
static enum err
unhex(struct arena *a, struct slice hex, struct slice *out)
{
	uint8_t *bytes;

	*out = slice_of(NULL);
	if (hex.len == 0)
		return (ERR_OK);
	if ((bytes = arena_alloc(a, hex.len / 2 + 1)) == NULL)
		return (ERR_NOMEM);
	*out = slice_make(bytes, hex.len / 2);
	return (text_unhex(hex, bytes, hex.len / 2));
}

/* Read "name:sealed:previous,…". */
static enum err
read_fields(struct store_claimed *c, struct slice text)
{
	struct slice one, name, sealed;
	struct store_field *f;
	enum err e;

	while (slice_split(&text, ',', &one)) {
		if (c->nfields == CREDENTIALS_FIELDS_MAX)
			return (ERR_INTERNAL);
		f = &c->fields[c->nfields++];
		if (!slice_split(&one, ':', &name) || !slice_split(&one, ':', &sealed))
			return (ERR_INTERNAL);
		if ((f->name = arena_dup(c->arena, name)) == NULL)
			return (ERR_NOMEM);
		if ((e = unhex(c->arena, sealed, &f->sealed)) != ERR_OK ||
		    (e = unhex(c->arena, one, &f->previous)) != ERR_OK)
			return (e);
	}
	return (ERR_OK);
}

/* Read the texts of row ${i}. */
static enum err
read_texts(const struct db_rows *rows, size_t i, struct store_claimed *c)
{
	struct slice slug = db_text(rows, i, C_SLUG), progress = db_text(rows, i, C_PROGRESS);
	struct slice payload = db_text(rows, i, C_PAYLOAD);

	/* the project may be gone by now */
	c->project_slug = arena_dup(c->arena, slug.ptr == NULL ? slice_of("") : slug);
	c->progress = arena_dup(c->arena, progress.ptr == NULL ? slice_of("") : progress);
	c->event_name = arena_dup(c->arena, db_text(rows, i, C_NAME));
	if (c->project_slug == NULL || c->event_name == NULL || c->progress == NULL)
		return (ERR_NOMEM);
	if (payload.len == 0)
		return (ERR_INTERNAL);
	if ((c->payload_text = strndup(payload.ptr, payload.len)) == NULL)
		return (ERR_NOMEM);
	c->payload = slice_make(c->payload_text, payload.len);
	return (read_fields(c, db_text(rows, i, C_CREDENTIALS)));
}

/* Read row ${i}. */
static enum err
read_row(const struct db_rows *rows, size_t i, struct store_claimed *c)
{
	if (uuid_parse(db_text(rows, i, C_TENANT), &c->tenant) != ERR_OK ||
	    uuid_parse(db_text(rows, i, C_ID), &c->id) != ERR_OK ||
	    uuid_parse(db_text(rows, i, C_CHANNEL), &c->channel) != ERR_OK ||
	    uuid_parse(db_text(rows, i, C_EVENT), &c->event) != ERR_OK ||
	    uuid_parse(db_text(rows, i, C_PROJECT), &c->project) != ERR_OK ||
	    channel_type_parse(db_text(rows, i, C_TYPE), &c->type) != ERR_OK)
		return (ERR_INTERNAL);
	c->attempts = db_int(rows, i, C_ATTEMPTS, 0);
	c->is_test = slice_eq(db_text(rows, i, C_TEST), slice_of("t"));
	c->is_failing = slice_eq(db_text(rows, i, C_FAILING), slice_of("t"));
	c->severity = (enum severity)db_int(rows, i, C_SEVERITY, SEVERITY_INFO);
	c->occurred_ms = db_int(rows, i, C_OCCURRED, 0);
	c->accepted_ms = db_int(rows, i, C_ACCEPTED, 0);
	return (read_texts(rows, i, c));
}

void
store_claim_rows(
    const struct db_rows *rows, const struct uuid *claim, store_on_claimed *each, void *ctx)
{
	struct store_claimed *c;
	enum err e;
	size_t i;

	for (i = 0; i < db_nrows(rows); i++) {
		e = ERR_NOMEM;
		if ((c = calloc(1, sizeof(*c))) != NULL && (c->arena = arena_small_new()) != NULL)
			e = read_row(rows, i, c);
		if (e != ERR_OK) {
			log_error("claim.row", LOG_SLICE("delivery", db_text(rows, i, C_ID)),
			    LOG_STR("error", err_word(e)));
			store_claimed_free(c);
			continue;
		}
		c->claim = *claim;
		each(ctx, c);
	}
}

void
store_claimed_free(struct store_claimed *c)
{
	if (c == NULL)
		return;
	store_claimed_drop_payload(c);
	arena_free(c->arena);
	free(c);
}

void
store_claimed_drop_payload(struct store_claimed *c)
{
	free(c->payload_text);
	c->payload_text = NULL;
	c->payload = slice_of(NULL);
}

/* Outcomes
 * ----------------------------------------------------------------------------------------- */

enum {
	R_TENANT = 0,
	R_ID,
	R_CLAIM,
	R_OUTCOME,
	R_WAIT,
	R_PAUSE,
	R_STARTED,
	R_DURATION,
	R_CODE,
	R_ERROR,
	R_EXCERPT,
	R_PROGRESS,
	R_MAILS,
	R__MAX
};

static void
put_outcome(struct buf a[R__MAX], const struct store_outcome *o)
{
	array_uuid(&a[R_TENANT], &o->tenant);
	array_uuid(&a[R_ID], &o->id);
	array_uuid(&a[R_CLAIM], &o->claim);
	db_array_text(&a[R_OUTCOME], slice_of(o->outcome));
	array_int(&a[R_WAIT], o->wait_ms, true);
	array_int(&a[R_PAUSE], o->pause_ms, false);
	array_int(&a[R_STARTED], o->started_ms, false);
	array_int(&a[R_DURATION], o->duration_ms, false);
	array_int(&a[R_CODE], o->code, true);
	array_maybe(&a[R_ERROR], o->error);
	array_maybe(&a[R_EXCERPT], o->excerpt);
	array_maybe(&a[R_PROGRESS], o->progress);
	array_int(&a[R_MAILS], o->nmails, false);
}

enum err
store_record_ask(struct db_loop *d, const struct store_outcome *const outcomes[], size_t noutcomes,
    int64_t disable_s, const struct uuid *courier, db_loop_done *done, void *ctx)
{
	struct db_param params[R__MAX + 2];
	char disable[DB_INT_SIZE], id[UUID_TEXT_SIZE];
	struct buf a[R__MAX];
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < R__MAX; i++)
		buf_init(&a[i], ARRAYS_MAX);
	for (i = 0; i < noutcomes; i++)
		put_outcome(a, outcomes[i]);
	for (i = 0; i < R__MAX; i++) {
		db_array_end(&a[i]);
		params[i] = db_param_text(slice_of(buf_str(&a[i])));
		e = buf_ok(&a[i]) ? e : ERR_NOMEM;
	}
	params[R__MAX] = db_param_int(disable_s, disable);
	params[R__MAX + 1] = db_param_uuid(courier, id);
	if (e == ERR_OK)
		e = db_loop_call(
		    d, &Q_COURIER_RECORD, params, NPARAMS(params), RECORD_MS, done, ctx);
	for (i = 0; i < R__MAX; i++)
		buf_clear(&a[i]);
	return (e);
}

/** The arrays by which deliveries under way are named. */
struct named {
	struct buf tenants, ids, claims;
};

static void
named_init(struct named *n)
{
	buf_init(&n->tenants, ARRAYS_MAX);
	buf_init(&n->ids, ARRAYS_MAX);
	buf_init(&n->claims, ARRAYS_MAX);
}

static void
named_put(struct named *n, const struct store_lease *l)
{
	array_uuid(&n->tenants, &l->tenant);
	array_uuid(&n->ids, &l->id);
	array_uuid(&n->claims, &l->claim);
}

static void
named_end(struct named *n)
{
	db_array_end(&n->tenants);
	db_array_end(&n->ids);
	db_array_end(&n->claims);
}

static void
named_clear(struct named *n)
{
	buf_clear(&n->tenants);
	buf_clear(&n->ids);
	buf_clear(&n->claims);
}

enum err
store_beat_ask(struct db_loop *d, const struct store_beat *beat, db_loop_done *done, void *ctx)
{
	char courier[UUID_TEXT_SIZE], flights[DB_INT_SIZE], lease[DB_INT_SIZE];
	struct named n;
	enum err e;
	size_t i;

	named_init(&n);
	for (i = 0; i < beat->nleases; i++)
		named_put(&n, &beat->leases[i]);
	named_end(&n);
	{
		const struct db_param params[] = {
		    db_param_uuid(&beat->courier, courier),
		    db_param_text(slice_of(beat->name)),
		    db_param_text(slice_of(PACKAGE_VERSION)),
		    db_param_text(slice_of(beat->key_ids)),
		    db_param_int((int64_t)beat->nflights, flights),
		    db_param_text(slice_of(buf_str(&n.tenants))),
		    db_param_text(slice_of(buf_str(&n.ids))),
		    db_param_text(slice_of(buf_str(&n.claims))),
		    db_param_int(beat->lease_s, lease),
		};

		e = db_loop_call(d, &Q_COURIER_RENEW, params, NPARAMS(params), BEAT_MS, done, ctx);
	}
	named_clear(&n);
	return (e);
}

enum err
store_leave_ask(struct db_loop *d, const struct uuid *courier, db_loop_done *done, void *ctx)
{
	char text[UUID_TEXT_SIZE];
	const struct db_param params[] = {db_param_uuid(courier, text)};

	return (db_loop_call(d, &Q_COURIER_LEAVE, params, NPARAMS(params), LEAVE_MS, done, ctx));
}

enum err
store_hand_back_ask(
    struct db_loop *d, const struct store_back *backs, size_t nbacks, db_loop_done *done, void *ctx)
{
	struct buf progress, mails;
	struct named n;
	enum err e;
	size_t i;

	named_init(&n);
	buf_init(&progress, ARRAYS_MAX);
	buf_init(&mails, ARRAYS_MAX);
	for (i = 0; i < nbacks; i++) {
		named_put(&n, &(struct store_lease){backs[i].delivery->tenant,
				  backs[i].delivery->id, backs[i].delivery->claim});
		array_maybe(&progress, backs[i].progress);
		array_int(&mails, backs[i].nmails, false);
	}
	named_end(&n);
	db_array_end(&progress);
	db_array_end(&mails);
	{
		const struct db_param params[] = {
		    db_param_text(slice_of(buf_str(&n.tenants))),
		    db_param_text(slice_of(buf_str(&n.ids))),
		    db_param_text(slice_of(buf_str(&n.claims))),
		    db_param_text(slice_of(buf_str(&progress))),
		    db_param_text(slice_of(buf_str(&mails))),
		};

		e = db_loop_call(
		    d, &Q_COURIER_HAND_BACK, params, NPARAMS(params), BEAT_MS, done, ctx);
	}
	named_clear(&n);
	buf_clear(&progress);
	buf_clear(&mails);
	return (e);
}

enum err
store_notices_ask(struct db_loop *d, int64_t limit, db_loop_done *done, void *ctx)
{
	char text[DB_INT_SIZE];
	const struct db_param params[] = {db_param_int(limit, text)};

	return (db_loop_call(d, &Q_COURIER_NOTICES_TAKE, params, 1, CLAIM_MS, done, ctx));
}

enum err
store_notice_done_ask(
    struct db_loop *d, const struct store_claimed *notice, db_loop_done *done, void *ctx)
{
	char tenant[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_uuid(&notice->tenant, tenant), db_param_uuid(&notice->id, id)};

	return (db_loop_call(d, &Q_COURIER_NOTICE_DONE, params, 2, CLAIM_MS, done, ctx));
}
