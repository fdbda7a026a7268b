/*
 * Who is let in: key, project, permission and rate, in this order (contract §1), and how every
 * refusal is told.  A worker holds permits for keys that were here before, so that most requests
 * are let in by the one call that does their work.
 */
#include "api/admit.h"

#include "api/call.h"
#include "api/route.h"
#include "base/log.h"

/* Is something wrong with the request itself? */
static bool
is_refused(const struct call *c)
{
	return (c->refusal != REFUSAL_NONE || c->issues.count > 0 || c->issues.failed);
}

/* 400 with every issue */
static void
refuse_issues(struct call *c)
{
	struct buf details;

	buf_init(&details, 16 * 1024 * 1024);
	issues_json(&c->issues, &details);
	if (c->issues.failed || !buf_ok(&details))
		reply_refuse(c->out, REFUSAL_INTERNAL, slice_of(NULL));
	else
		reply_refuse(c->out, REFUSAL_VALIDATION, buf_slice(&details));
	buf_clear(&details);
}

void
admit_refuse(struct call *c)
{
	if (c->refusal != REFUSAL_NONE)
		reply_refuse(c->out, c->refusal, slice_of(NULL));
	else
		refuse_issues(c);
}

/* How long until the key has permits again, in whole seconds. */
static void
say_when(struct call *c)
{
	const int64_t s = (c->admission.permits.reset_ms + 999) / 1000;

	buf_printf(&c->out->headers, "Retry-After: %lld\r\n", (long long)(s > 0 ? s : 1));
}

/* Tell a verdict that is not "ok", with the details that go with it. */
static void
refuse_verdict(struct call *c)
{
	const struct ruling *r = &c->ruling;
	struct buf details;

	if (r->verdict == VERDICT_BAD_PROJECT || r->verdict == VERDICT_INVALID) {
		refuse_issues(c);
		return;
	}
	buf_init(&details, 1024);
	if (r->verdict == VERDICT_FORBIDDEN)
		buf_printf(
		    &details, "{\"required\":\"%s\"}", permission_words[c->route->permission]);
	if (r->verdict == VERDICT_QUOTA) {
		buf_printf(&details, "{\"limit\":%lld,\"used\":%lld,\"plan\":", (long long)r->limit,
		    (long long)r->used);
		json_put(&details, slice_of(r->plan));
		buf_addc(&details, '}');
	}
	if (r->verdict == VERDICT_RATE_LIMITED)
		say_when(c);
	reply_refuse(c->out, reply_refusal_of(r->verdict),
	    details.len > 0 ? buf_slice(&details) : slice_of(NULL));
	buf_clear(&details);
}

/* Was the request refused before its rate counts? */
static bool
is_uncounted(enum verdict v)
{
	return (v >= VERDICT_UNAUTHORIZED && v <= VERDICT_FORBIDDEN);
}

bool
admit_settle(struct call *c, enum err e)
{
	if (e == ERR_DOWN || e == ERR_TIMEOUT) {
		reply_refuse(c->out, REFUSAL_UNAVAILABLE, slice_of(NULL));
		return (false);
	}
	if (e != ERR_OK) {
		log_error(
		    "http.fail", LOG_STR("route", c->route->name), LOG_STR("error", err_word(e)));
		reply_refuse(c->out, REFUSAL_INTERNAL, slice_of(NULL));
		return (false);
	}
	if (c->permit != NULL && is_uncounted(c->ruling.verdict))
		permit_return(c->permit);
	if (c->ruling.verdict == VERDICT_OK)
		return (true);
	refuse_verdict(c);
	return (false);
}

/* Ask the database, for a permit too where the request has none. */
static bool
ask(struct call *c, const struct uuid *channel)
{
	const enum permit_kind kind = route_kind(c->route);
	const int64_t asked_ms = clock_mono_ms(&c->api->clock);
	const struct store_need need = {
	    .permission = permission_words[c->route->permission],
	    .project = (c->route->flags & ROUTE_PROJECT) != 0,
	    .kind = kind,
	    .take = c->permit == NULL,
	    .channel = channel,
	};
	enum err e;

	e = store_admit(
	    c->api->db, &c->caller, &need, c->deadline_ms, c->arena, &c->ruling, &c->admission);
	if (e == ERR_OK && need.take)
		c->permit = permit_put(
		    c->api->permits, c->caller.digest, kind, &c->admission.permits, asked_ms);
	return (admit_settle(c, e));
}

/* Use up a permit that this worker holds, if it does. */
static void
take_held(struct call *c)
{
	c->permit = permit_take(
	    c->api->permits, c->caller.digest, route_kind(c->route), clock_mono_ms(&c->api->clock));
}

bool
admit(struct call *c)
{
	take_held(c);
	if ((c->permit == NULL || is_refused(c)) && !ask(c, NULL))
		return (false);
	if (!is_refused(c))
		return (true);
	admit_refuse(c);
	return (false);
}

bool
admit_channel(struct call *c)
{
	take_held(c);
	if (!ask(c, c->id_is_bad ? NULL : &c->id))
		return (false);
	if (c->refusal != REFUSAL_NONE || c->id_is_bad)
		admit_refuse(c);
	else if (!c->admission.has_channel)
		reply_refuse(c->out, REFUSAL_NO_CHANNEL, slice_of(NULL));
	else if (!c->admission.channel_is_writable)
		reply_refuse(c->out, REFUSAL_TENANT_WIDE, slice_of(NULL));
	else
		return (true);
	return (false);
}

/* Has the key proved to be one that is in use? */
static bool
is_known(const struct ruling *r)
{
	return (r->key_id[0] != '\0' && r->verdict != VERDICT_UNAUTHORIZED &&
		r->verdict != VERDICT_KEY_REVOKED && r->verdict != VERDICT_KEY_EXPIRED);
}

void
admit_headers(struct call *c)
{
	const struct permit_grant *g =
	    c->permit != NULL ? &c->permit->grant : &c->admission.permits;
	const int64_t left = c->permit != NULL ? permit_left(c->permit) : g->remaining;
	struct buf *h = &c->out->headers;

	if (!is_known(&c->ruling) || (c->permit == NULL && !c->admission.is_known))
		return;
	if (g->limit == PERMIT_UNLIMITED)
		buf_printf(
		    h, "X-RateLimit-Limit: unlimited\r\nX-RateLimit-Remaining: unlimited\r\n");
	else
		buf_printf(h, "X-RateLimit-Limit: %lld\r\nX-RateLimit-Remaining: %lld\r\n",
		    (long long)g->limit, (long long)left);
	buf_printf(h, "X-RateLimit-Reset: %lld\r\n", (long long)g->reset_s);
}
