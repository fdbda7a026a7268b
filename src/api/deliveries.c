/* A channel's deliveries: what became of them, one more of them, a test. */
#include "api/deliveries.h"

#include "adapters/store_delivery.h"
#include "api/admit.h"
#include "api/call.h"
#include "api/query.h"
#include "base/clock.h"
#include "base/when.h"

#define LIMIT_MAX     100
#define LIMIT_DEFAULT 20
#define SHOWN_MAX     (16 * 1024 * 1024) /* bytes of an answer */
#define BATCH         1000               /* deliveries that one transaction takes up again */
#define BATCH_ROOM_MS 3000               /* with less time left no further batch is begun */

static const char *const statuses[] = {"pending", "sending", "delivered", "failed", "cancelled"};
static const char *const ended[] = {"failed", "cancelled", "delivered"};

#define NELEMS(a) (sizeof(a) / sizeof((a)[0]))

/* Answer with what the call put into ${data}. */
static void
answer(struct call *c, int status, enum err e, struct buf *data)
{
	if (admit_settle(c, e == ERR_OK && !buf_ok(data) ? ERR_NOMEM : e))
		reply_data(c->out, status, buf_slice(data));
	buf_clear(data);
}

void
deliveries_test(struct call *c)
{
	char text[UUID_TEXT_SIZE];
	struct uuid id;
	struct buf data;
	enum err e;

	if (!admit(c))
		return;
	call_new_id(c, &id);
	uuid_text(&id, text);
	buf_init(&data, 128);
	buf_printf(&data, "{\"deliveryId\":\"%s\"}", text);
	e = store_delivery_test(c->api->db, &c->caller, &c->id, &id, c->deadline_ms, &c->ruling);
	answer(c, 202, e, &data);
}

void
deliveries_list(struct call *c)
{
	struct store_delivery_page page = {.limit = LIMIT_DEFAULT};
	struct uuid before;
	struct buf data;
	enum err e;

	(void)query_int(c, "limit", 1, LIMIT_MAX, &page.limit);
	(void)query_word(c, "status", statuses, NELEMS(statuses), &page.status);
	if (query_uuid(c, "cursor", &before))
		page.before = &before;
	if (!admit(c))
		return;
	buf_init(&data, SHOWN_MAX);
	e = store_delivery_list(
	    c->api->db, &c->caller, &c->id, &page, c->deadline_ms, &c->ruling, &data);
	answer(c, 200, e, &data);
}

void
deliveries_get(struct call *c)
{
	struct buf data;
	enum err e;

	if (!admit(c))
		return;
	buf_init(&data, SHOWN_MAX);
	e = store_delivery_get(
	    c->api->db, &c->caller, &c->id, &c->delivery_id, c->deadline_ms, &c->ruling, &data);
	answer(c, 200, e, &data);
}

void
deliveries_retry(struct call *c)
{
	char text[UUID_TEXT_SIZE];
	struct uuid call;
	struct buf data;
	enum err e;

	if (!admit(c))
		return;
	call_new_id(c, &call);
	uuid_text(&c->delivery_id, text);
	buf_init(&data, 128);
	buf_printf(&data, "{\"deliveryId\":\"%s\"}", text);
	e = store_delivery_retry(
	    c->api->db, &c->caller, &c->id, &c->delivery_id, &call, c->deadline_ms, &c->ruling);
	answer(c, 202, e, &data);
}

/* Many
 * --------------------------------------------------------------------------------------------- */

/** The body of a retry of many, being read. */
struct reading {
	struct call *c;
	struct slice since, until;
	const struct json *status;
};

/* Read a time, as the database takes it. */
static struct slice
take_time(struct reading *r, const char *name, const struct json *value)
{
	char text[CLOCK_RFC3339_SIZE];
	int64_t at_ms = 0;

	if (json_type(value) != JSON_STRING) {
		issue_add_type(&r->c->issues, name, "a string", value);
		return (slice_of(NULL));
	}
	if (when_rfc3339(json_string(value), &at_ms) != ERR_OK)
		issue_add(&r->c->issues, name, ISSUE_FORMAT,
		    "must be a time in RFC 3339, such as 2026-11-24T18:20:00.000Z");
	clock_rfc3339(at_ms, text);
	return (slice_of(arena_dup(r->c->arena, slice_of(text))));
}

/* Judge one member of the body (json_each). */
static bool
visit(void *ctx, struct slice name, struct json *value)
{
	static const char *const known[] = {"since", "until", "status"};
	struct reading *r = ctx;

	if (slice_eq(name, slice_of("since")))
		r->since = take_time(r, "since", value);
	else if (slice_eq(name, slice_of("until")))
		r->until = take_time(r, "until", value);
	else if (slice_eq(name, slice_of("status")))
		r->status = value;
	else
		issue_add_unknown(&r->c->issues, "", name, known, NELEMS(known));
	return (true);
}

/* Read which statuses are meant into ${out}, an array parameter. */
static void
take_statuses(struct call *c, const struct json *list, struct buf *out)
{
	const struct json *one;
	struct slice word;
	size_t i, k;

	if (list != NULL && (json_type(list) != JSON_ARRAY || json_len(list) == 0)) {
		issue_add(&c->issues, "status", ISSUE_TYPE,
		    "must be an array of one or more of failed, cancelled, delivered");
		return;
	}
	if (list == NULL)
		db_array_text(out, slice_of("failed"));
	for (i = 0; (one = json_at(list, i)) != NULL; i++) {
		word = json_string(one);
		for (k = 0; k < NELEMS(ended) && !slice_eq(word, slice_of(ended[k]));)
			k++;
		if (k == NELEMS(ended))
			issue_add(&c->issues, "status", ISSUE_ENUM,
			    "must hold only failed, cancelled, delivered: what has not ended is "
			    "tried by itself");
		else
			db_array_text(out, word);
	}
	db_array_end(out);
}

/* Judge the body. */
static void
take_again(struct call *c, struct store_again *again, struct buf *list)
{
	struct reading r = {.c = c};

	if (c->body == NULL)
		return;
	if (json_type(c->body) != JSON_OBJECT) {
		issue_add(&c->issues, "", ISSUE_JSON,
		    "the body must be a JSON object, not a JSON %s",
		    json_type_words[json_type(c->body)]);
		return;
	}
	json_each(c->body, visit, &r);
	if (json_get(c->body, "since") == NULL)
		issue_add(&c->issues, "since", ISSUE_REQUIRED,
		    "is missing: must be a time in RFC 3339; deliveries created from then on are "
		    "sent again");
	take_statuses(c, r.status, list);
	again->since = r.since;
	again->until = r.until;
	again->statuses = buf_str(list);
	again->batch = BATCH;
}

/* Batch after batch, until there are no more, or the request's time is over. */
static enum err
retry_all(struct call *c, struct store_again *again, int64_t *total)
{
	bool is_more = true;
	int64_t queued;
	enum err e = ERR_OK;

	*total = 0;
	while (e == ERR_OK && is_more &&
	       clock_mono_ms(&c->api->clock) + BATCH_ROOM_MS < c->deadline_ms) {
		call_new_id(c, &again->call);
		e = store_delivery_retry_many(
		    c->api->db, &c->caller, &c->id, again, c->deadline_ms, &c->ruling, &queued);
		*total += queued;
		is_more = c->ruling.verdict == VERDICT_OK && again->has_after;
	}
	/* what was queued is so, whatever became of the last batch */
	return (*total > 0 ? ERR_OK : e);
}

void
deliveries_retry_many(struct call *c)
{
	struct store_again again = {.batch = BATCH};
	struct buf list, data;
	int64_t total;
	enum err e;

	if (!admit_channel(c))
		return;
	buf_init(&list, 4096);
	take_again(c, &again, &list);
	if (c->issues.count > 0 || c->issues.failed) {
		admit_refuse(c);
	} else {
		e = retry_all(c, &again, &total);
		buf_init(&data, 128);
		buf_printf(&data, "{\"queued\":%lld}", (long long)total);
		answer(c, 202, e, &data);
	}
	buf_clear(&list);
}
