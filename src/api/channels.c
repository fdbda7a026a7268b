/* What can be done with channels. */
#include "api/channels.h"

#include <string.h>

#include "api/admit.h"
#include "api/call.h"
#include "api/once.h"
#include "api/query.h"
#include "domain/channel.h"
#include "domain/channel_edit.h"

#define COLLECTION    "/v1/config/notifications/"
#define PAGE_MAX      1000000000
#define LIMIT_MAX     100
#define LIMIT_DEFAULT 20 /* of a request that gives the page alone */

/* Answer with ${data}, which is JSON; no memory for it is an error of ours. */
static void
answer(struct call *c, int status, const char *data)
{
	if (data == NULL)
		reply_refuse(c->out, REFUSAL_INTERNAL, slice_of(NULL));
	else
		reply_data(c->out, status, slice_of(data));
}

/* Seal what is new.  A sealing context whose time ends while the database is waited for ends now.
 */
static enum err
seal(struct call *c, const struct uuid *id, enum channel_type type, const struct credentials *from,
    struct store_sealed *out)
{
	enum err e = store_seal(c->api->sender, clock_mono_ms(&c->api->clock), id, type, from, out);

	seal_sender_expire(c->api->sender, c->deadline_ms);
	return (e);
}

/* Create
 * ------------------------------------------------------------------------------------------- */

/* Seal and write the channel.  Its id is made before: so a call that is repeated after a lost
 * COMMIT finds its own row. */
static enum err
store_new(
    struct call *c, const struct uuid *id, const struct channel_new *new, struct store_once *first)
{
	struct store_sealed sealed;
	const struct store_channel row = {.id = id,
	    .type = channel_type_words[new->type],
	    .name = new->name,
	    .threshold = (int)new->threshold,
	    .destination = new->credentials.destination,
	    .sealed = &sealed,
	    .once = &c->once};
	enum err e;

	store_sealed_init(&sealed);
	e = seal(c, id, new->type, &new->credentials, &sealed);
	if (e == ERR_OK)
		e = store_channel_create(
		    c->api->db, &c->caller, &row, c->deadline_ms, c->arena, &c->ruling, first);
	store_sealed_clear(&sealed);
	return (e);
}

/* 201 with what this request, or the first of its kind, is answered with. */
static void
answer_created(struct call *c, const struct store_once *with)
{
	answer(c, 201, with->answer);
	reply_header(c->out, "Location", with->location);
	if (with != &c->once)
		reply_header(c->out, "Idempotency-Replayed", "true");
}

static void
create(struct call *c, const struct channel_new *new)
{
	struct store_once first = {.is_asked = false};
	char text[UUID_TEXT_SIZE];
	struct uuid id;
	char *data, *location;
	enum err e;

	call_new_id(c, &id);
	uuid_text(&id, text);
	data = arena_printf(c->arena, "{\"id\":\"%s\"}", text);
	location = arena_printf(c->arena, COLLECTION "%s", text);
	if (data == NULL || location == NULL)
		e = ERR_NOMEM;
	else if ((e = once_make(c, data, location)) == ERR_OK)
		e = store_new(c, &id, new, &first);
	if (e == ERR_OK && c->ruling.verdict == VERDICT_REPLAYED)
		answer_created(c, &first);
	else if (admit_settle(c, e))
		answer_created(c, &c->once);
}

void
channels_create(struct call *c)
{
	struct channel_new new;

	memset(&new, 0, sizeof(new));
	if (c->body != NULL)
		channel_new_parse(c->body, &c->api->settings->policy, &c->issues, &new);
	if (admit(c))
		create(c, &new);
	channel_new_clear(&new);
}

/* Read
 * --------------------------------------------------------------------------------------------- */

/* Read page, limit and includeInactive. */
static void
take_page(struct call *c, struct store_page *page)
{
	bool has_page, has_limit;

	page->page = 1;
	page->limit = LIMIT_DEFAULT;
	page->with_inactive = false;
	if (c->caller.project_is_bad)
		return; /* that answers alone */
	has_page = query_int(c, "page", 1, PAGE_MAX, &page->page);
	has_limit = query_int(c, "limit", 1, LIMIT_MAX, &page->limit);
	(void)query_bool(c, "includeInactive", &page->with_inactive);
	if (!has_page && !has_limit)
		page->limit = 0;
}

/* What stands behind a page. */
static void
put_pagination(struct buf *out, const struct store_page *page, int64_t total)
{
	buf_printf(out,
	    ",\"pagination\":{\"page\":%lld,\"limit\":%lld,\"total\":%lld,\"totalPages\":%lld}}",
	    (long long)page->page, (long long)page->limit, (long long)total,
	    (long long)((total + page->limit - 1) / page->limit));
}

/* The list goes straight into the answer: a project may have very many. */
void
channels_list(struct call *c)
{
	struct buf *out = &c->out->body;
	struct store_page page;
	int64_t total = 0;
	enum err e;

	take_page(c, &page);
	if (!admit(c))
		return;
	reply_open(c->out, 200);
	if (page.limit > 0)
		buf_printf(out, "{\"items\":");
	e = store_channel_list(
	    c->api->db, &c->caller, &page, c->deadline_ms, &c->ruling, &total, out);
	if (page.limit > 0)
		put_pagination(out, &page, total);
	reply_close(c->out);
	(void)admit_settle(c, e == ERR_OK && !buf_ok(out) ? ERR_NOMEM : e);
}

void
channels_get(struct call *c)
{
	struct buf data;

	if (!admit(c))
		return;
	buf_init(&data, 64 * 1024);
	if (admit_settle(c, store_channel_get(
				c->api->db, &c->caller, &c->id, c->deadline_ms, &c->ruling, &data)))
		answer(c, 200, buf_ok(&data) ? buf_str(&data) : NULL);
	buf_clear(&data);
}

/* Update and delete
 * -------------------------------------------------------------------------------- */

/* Seal what is new, and write all of the change at once. */
static enum err
store_edit(struct call *c, const struct channel_edit *edit)
{
	const char *destination = edit->credentials.destination;
	struct store_sealed sealed;
	struct store_change change = {.id = &c->id,
	    .name = edit->name,
	    .threshold = edit->threshold,
	    .is_active = edit->is_active,
	    .destination = destination[0] == '\0' ? NULL : destination,
	    .replaces = edit->replaces,
	    .overlap_s = edit->overlap_s};
	struct uuid call;
	enum err e = ERR_OK;

	call_new_id(c, &call);
	change.call = &call;
	store_sealed_init(&sealed);
	if (edit->has_credentials) {
		change.sealed = &sealed;
		e = seal(c, &c->id, c->admission.channel.type, &edit->credentials, &sealed);
	}
	if (e == ERR_OK)
		e = store_channel_update(
		    c->api->db, &c->caller, &change, c->deadline_ms, &c->ruling);
	store_sealed_clear(&sealed);
	return (e);
}

static void
update(struct call *c, bool is_part)
{
	struct channel_edit edit;

	if (!admit_channel(c))
		return;
	memset(&edit, 0, sizeof(edit));
	if (c->body != NULL)
		channel_edit_parse(c->body, &c->admission.channel, is_part,
		    &c->api->settings->policy, &c->issues, &edit);
	if (c->issues.count > 0 || c->issues.failed)
		admit_refuse(c);
	else if (admit_settle(c, store_edit(c, &edit)))
		answer(c, 200, "{\"updated\":true}");
	channel_edit_clear(&edit);
}

void
channels_put(struct call *c)
{
	update(c, false);
}

void
channels_patch(struct call *c)
{
	update(c, true);
}

void
channels_delete(struct call *c)
{
	struct uuid call;

	if (!admit(c))
		return;
	call_new_id(c, &call);
	if (admit_settle(c, store_channel_delete(
				c->api->db, &c->caller, &c->id, &call, c->deadline_ms, &c->ruling)))
		answer(c, 200, "{\"deleted\":true}");
}
