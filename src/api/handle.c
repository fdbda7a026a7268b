/*
 * The way of a request, from top to bottom: route, key, project, body, the route's own work, the
 * log. Start reading at the end of this file.
 */
#include "api/handle.h"

#include <string.h>

#include "api/admit.h"
#include "api/once.h"
#include "api/route.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/uuid.h"

#define METHOD_CUT 16 /* bytes of a method that are logged */

/* Refuse with ${why} at once: nothing later in the order of checks may speak before it. */
static bool
refuse_now(struct call *c, enum refusal why)
{
	reply_refuse(c->out, why, slice_of(NULL));
	return (false);
}

/* Refuse with ${why} when the key has proved good; the first such reason stays. */
static void
refuse_later(struct call *c, enum refusal why)
{
	if (c->refusal == REFUSAL_NONE)
		c->refusal = why;
}

/* 404, 405 */
static bool
take_route(struct call *c)
{
	struct slice rest = c->in->target, path = {"", 0};
	struct buf allow;

	buf_init(&allow, 256);
	(void)slice_split(&rest, '?', &path);
	c->route = route_find(c->in->method, path, &allow, &c->ids);
	if (c->route == NULL && allow.len > 0)
		reply_header(c->out, "Allow", buf_str(&allow));
	if (c->route == NULL)
		(void)refuse_now(c, allow.len > 0 ? REFUSAL_METHOD : REFUSAL_NOT_FOUND);
	buf_clear(&allow);
	return (c->route != NULL);
}

/* The form of an id in the path; absent: the route has none. */
static void
take_id(struct call *c, const char *path, struct slice text, struct uuid *id)
{
	if (text.ptr == NULL || uuid_parse(text, id) == ERR_OK)
		return;
	issue_add(&c->issues, path, ISSUE_FORMAT,
	    "the id in the path must be a UUID such as 9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a");
	c->id_is_bad = true;
}

/* The ids in the path; no word about them to one who named no project. */
static void
take_ids(struct call *c)
{
	if (c->caller.project_is_bad)
		return;
	take_id(c, "path.id", c->ids.id, &c->id);
	take_id(c, "path.deliveryId", c->ids.delivery_id, &c->delivery_id);
}

/* 401, as far as the key's own form can tell */
static bool
take_key(struct call *c)
{
	struct apikey key;
	struct slice token;
	enum apikey_form form;

	if (c->in->authorization.len == 0)
		return (refuse_now(c, REFUSAL_NO_KEY));
	if (!apikey_bearer(c->in->authorization, &token))
		return (refuse_now(c, REFUSAL_BAD_SCHEME));
	if ((form = apikey_parse(token, &key)) != APIKEY_FORM_OK)
		return (refuse_now(
		    c, form == APIKEY_FORM_DEPRECATED ? REFUSAL_OLD_KEY : REFUSAL_BAD_KEY));
	memcpy(c->caller.digest, key.digest, sizeof(c->caller.digest));
	return (true);
}

/* The form of X-Project-Id.  A list of two in one field is how newer web servers hand a repeated
 * one over. */
static void
take_project(struct call *c)
{
	struct slice value = c->in->project_id;

	if (value.ptr == NULL)
		return;
	if (c->in->project_id_repeated ||
	    (value.len > 0 && memchr(value.ptr, ',', value.len) != NULL)) {
		issue_add(&c->issues, "header.X-Project-Id", ISSUE_DUPLICATE,
		    "X-Project-Id was sent more than once; send it once");
		c->caller.project_is_bad = true;
	} else if (uuid_parse(value, &c->caller.project) != ERR_OK) {
		issue_add(&c->issues, "header.X-Project-Id", ISSUE_FORMAT,
		    "X-Project-Id must be a project's id, a UUID such as "
		    "9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a");
		c->caller.project_is_bad = true;
	} else {
		c->caller.has_project = true;
	}
}

/* Is this `application/json`, without parameters or with charset=utf-8 (RFC 9110 §8.3.1)? */
static bool
is_json_type(struct slice value)
{
	struct slice type = {NULL, 0}, parameter, name;

	(void)slice_split(&value, ';', &type);
	if (!slice_eq_nocase(slice_trim(type), slice_of("application/json")))
		return (false);
	while (slice_split(&value, ';', &parameter)) {
		parameter = slice_trim(parameter);
		if (parameter.len == 0)
			continue;
		(void)slice_split(&parameter, '=', &name);
		if (!slice_eq_nocase(name, slice_of("charset")) || parameter.ptr == NULL)
			return (false);
		if (!slice_eq_nocase(parameter, slice_of("utf-8")) &&
		    !slice_eq_nocase(parameter, slice_of("\"utf-8\"")))
			return (false);
	}
	return (true);
}

/* Parse the body into c->body, or say why not. */
static void
parse_body(struct call *c)
{
	struct json_fault fault;
	enum issue_code code;
	enum err e;

	e = json_parse(buf_slice(&c->in->body), &c->body, &fault);
	if (e == ERR_INVALID) {
		code = slice_eq(slice_of(fault.code), slice_of(issue_code_words[ISSUE_DUPLICATE]))
			   ? ISSUE_DUPLICATE
			   : ISSUE_JSON;
		issue_add_at(&c->issues, slice_of(fault.path), code, fault.message);
	} else if (e != ERR_OK) {
		refuse_later(c, REFUSAL_INTERNAL);
	}
}

/* Does ${s} hold a comma and a blank: a list, as newer web servers hand a repeated field over? */
static bool
is_list(struct slice s)
{
	struct slice part;

	while (slice_split(&s, ',', &part)) {
		if (slice_starts(s, slice_of(" ")))
			return (true);
	}
	return (false);
}

/* Idempotency-Key: never twice, and well-formed where it counts.  Unlike X-Project-Id it may hold
 * commas, but no blanks.  An earlier fault answers alone. */
static void
take_once(struct call *c)
{
	if (c->caller.project_is_bad || c->id_is_bad)
		return;
	if (c->in->idempotency_key_repeated || is_list(c->in->idempotency_key))
		issue_add(&c->issues, "header.Idempotency-Key", ISSUE_DUPLICATE,
		    "Idempotency-Key was sent more than once; send it once");
	else if ((c->route->flags & ROUTE_ONCE) != 0)
		once_check(c);
}

/* 415, 413, and the body's syntax; no word about the body of one who named no project or channel */
static void
take_body(struct call *c)
{
	if (c->route->body_max == 0 || c->caller.project_is_bad)
		return;
	if (!is_json_type(c->in->content_type))
		refuse_later(c, REFUSAL_MEDIA_TYPE);
	else if (c->in->body_state == GATE_BODY_OVER || c->in->body.len > c->route->body_max)
		refuse_later(c, REFUSAL_TOO_LARGE);
	else if (c->in->body_state == GATE_BODY_UNEQUAL)
		refuse_later(c, REFUSAL_CUT_BODY);
	else if (c->in->body_state == GATE_BODY_NOMEM)
		refuse_later(c, REFUSAL_INTERNAL);
	else if (!c->id_is_bad)
		parse_body(c);
}

/* The request's one line; ${is_gone}: the client did not wait for the answer.  The web server's
 * parameters are no more by then. */
static void
log_end(const struct call *c, bool is_gone)
{
	struct buf words;

	buf_init(&words, 2048);
	if (c->out->code != NULL)
		issues_log_words(&c->issues, &words);
	log_info("http.end", LOG_STR("route", route_name(route_index(c->route))),
	    LOG_STR("method", c->method), LOG_INT("status", c->out->status),
	    LOG_STR("code", c->out->code), LOG_STR("gone", is_gone ? "yes" : NULL),
	    LOG_INT("ms", clock_mono_ms(&c->api->clock) - c->started_ms),
	    LOG_STR("key", c->ruling.key_id[0] == '\0' ? NULL : c->ruling.key_id),
	    LOG_STR("tenant", c->ruling.tenant_id[0] == '\0' ? NULL : c->ruling.tenant_id),
	    LOG_STR("project", c->ruling.project_id[0] == '\0' ? NULL : c->ruling.project_id),
	    LOG_STR("issues", words.len == 0 ? NULL : buf_str(&words)));
	buf_clear(&words);
}

void
call_new_id(struct call *c, struct uuid *id)
{
	uint8_t random[10];

	crypt_random(random, sizeof(random));
	uuid_v7(clock_wall_ms(&c->api->clock), random, id);
}

/* The order of contract §1; the key is asked about by the route's own work (admit.c). */
static void
serve(struct call *c)
{
	if (!take_route(c))
		return;
	if ((c->route->flags & ROUTE_OPEN) == 0) {
		if (!take_key(c))
			return;
		take_project(c);
		take_ids(c);
		take_once(c);
		take_body(c);
	}
	c->route->run(c);
}

/* Send the answer; false where the client went away before its end. */
static bool
respond(struct call *c, struct gate *gate)
{
	struct reply *out = c->out;
	struct slice headers, body;

	admit_headers(c);
	reply_header(out, "Content-Type", out->content_type);
	reply_settle(out, &headers, &body);
	counters_add(c->api->counters, c->api->worker, route_index(c->route), out->status);
	return (gate_answer(gate, out->status, headers, body) == ERR_OK);
}

void
handle(struct api *api, struct gate *gate, const struct gate_request *in)
{
	struct reply out;
	struct call c = {.api = api, .in = in, .out = &out, .arena = api->arena};
	bool is_sent;

	c.started_ms = clock_mono_ms(&api->clock);
	c.deadline_ms = c.started_ms + api->settings->request_deadline_ms;
	c.method = arena_dup(c.arena, text_utf8_cut(in->method, METHOD_CUT));
	issues_init(&c.issues, c.arena);
	reply_init(&out);
	serve(&c);
	is_sent = respond(&c, gate);
	log_end(&c, !is_sent);
	json_free(c.body);
	reply_clear(&out);
	mem_wipe(&c.caller, sizeof(c.caller));
	arena_reset(c.arena);
}
