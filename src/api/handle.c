/*
 * The way of a request, from top to bottom: route, key, project, body, the route's own work, the
 * log. Start reading at the end of this file.
 */
#include "api/handle.h"

#include <string.h>

#include "api/route.h"
#include "base/log.h"

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
	c->route = route_find(c->in->method, path, &allow);
	if (c->route == NULL && allow.len > 0)
		reply_header(c->out, "Allow", buf_str(&allow));
	if (c->route == NULL)
		(void)refuse_now(c, allow.len > 0 ? REFUSAL_METHOD : REFUSAL_NOT_FOUND);
	buf_clear(&allow);
	return (c->route != NULL);
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
	struct slice type, parameter, name;

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

/* 415, 413, and the body's syntax; no word about the body of one who named no project */
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
	else
		parse_body(c);
}

bool
call_is_refused(const struct call *c)
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

/* Tell a verdict that is not "ok", with the details that go with it. */
static void
refuse_verdict(struct call *c)
{
	const struct ruling *r = &c->ruling;
	enum refusal why = reply_refusal_of(r->verdict);
	struct buf details;

	if (r->verdict == VERDICT_BAD_PROJECT) {
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
	reply_refuse(c->out, why, details.len > 0 ? buf_slice(&details) : slice_of(NULL));
	buf_clear(&details);
}

bool
call_settle(struct call *c, enum err e)
{
	if (e == ERR_DOWN || e == ERR_TIMEOUT)
		return (refuse_now(c, REFUSAL_UNAVAILABLE));
	if (e != ERR_OK) {
		log_error(
		    "http.fail", LOG_STR("route", c->route->name), LOG_STR("error", err_word(e)));
		return (refuse_now(c, REFUSAL_INTERNAL));
	}
	if (c->ruling.verdict == VERDICT_OK)
		return (true);
	refuse_verdict(c);
	return (false);
}

void
call_refuse(struct call *c)
{
	const char *permission = permission_words[c->route->permission];

	if (!call_settle(
		c, store_admit(c->api->db, &c->caller, permission, c->deadline_ms, &c->ruling)))
		return;
	if (c->refusal != REFUSAL_NONE)
		reply_refuse(c->out, c->refusal, slice_of(NULL));
	else
		refuse_issues(c);
}

/* The request's one line. */
static void
log_end(const struct call *c)
{
	struct buf words;

	buf_init(&words, 2048);
	if (c->out->code != NULL)
		issues_log_words(&c->issues, &words);
	log_info("http.end", LOG_STR("route", c->route == NULL ? "none" : c->route->name),
	    LOG_SLICE("method", text_utf8_cut(c->in->method, 16)),
	    LOG_INT("status", c->out->status), LOG_STR("code", c->out->code),
	    LOG_INT("ms", clock_mono_ms(&c->api->clock) - c->started_ms),
	    LOG_STR("key", c->ruling.key_id[0] == '\0' ? NULL : c->ruling.key_id),
	    LOG_STR("tenant", c->ruling.tenant_id[0] == '\0' ? NULL : c->ruling.tenant_id),
	    LOG_STR("project", c->ruling.project_id[0] == '\0' ? NULL : c->ruling.project_id),
	    LOG_STR("issues", words.len == 0 ? NULL : buf_str(&words)));
	buf_clear(&words);
}

void
handle(struct api *api, const struct gate_request *in, struct reply *out)
{
	struct call c = {.api = api, .in = in, .out = out, .arena = api->arena};

	c.started_ms = clock_mono_ms(&api->clock);
	c.deadline_ms = c.started_ms + api->settings->request_deadline_ms;
	issues_init(&c.issues, c.arena);
	reply_header(out, "Content-Type", "application/json");
	if (take_route(&c) && take_key(&c)) {
		take_project(&c);
		take_body(&c);
		c.route->run(&c);
	}
	log_end(&c);
	json_free(c.body);
	mem_wipe(&c.caller, sizeof(c.caller));
	arena_reset(c.arena);
}
