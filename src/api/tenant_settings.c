/* What a tenant can set for all of its notifications. */
#include "api/tenant_settings.h"

#include "adapters/store_tenant.h"
#include "api/admit.h"
#include "api/call.h"
#include "domain/channel.h"

#define THRESHOLD "defaultSeverityThreshold"

void
tenant_settings_get(struct call *c)
{
	struct buf data;
	enum err e;

	if (!admit(c))
		return;
	buf_init(&data, 4096);
	e = store_settings_get(c->api->db, &c->caller, c->deadline_ms, &c->ruling, &data);
	if (admit_settle(c, e == ERR_OK && !buf_ok(&data) ? ERR_NOMEM : e))
		reply_data(c->out, 200, buf_slice(&data));
	buf_clear(&data);
}

/** A body being read. */
struct reading {
	struct issues *issues;
	enum severity threshold;
	bool seen;
};

/* Judge one member of the body (json_each). */
static bool
visit(void *ctx, struct slice name, struct json *value)
{
	static const char *const known[] = {THRESHOLD};
	struct reading *r = ctx;

	if (slice_eq(name, slice_of(THRESHOLD))) {
		channel_check_threshold(value, THRESHOLD, r->issues, &r->threshold);
		r->seen = true;
	} else {
		issue_add_unknown(r->issues, "", name, known, 1);
	}
	return (true);
}

/* Read the body; faults are issues. */
static enum severity
take_threshold(struct call *c)
{
	struct reading r = {&c->issues, SEVERITY_CRITICAL, false};

	if (json_type(c->body) != JSON_OBJECT) {
		issue_add(&c->issues, "", ISSUE_JSON,
		    "the body must be a JSON object, not a JSON %s",
		    json_type_words[json_type(c->body)]);
		return (r.threshold);
	}
	json_each(c->body, visit, &r);
	if (!r.seen)
		channel_check_threshold(NULL, THRESHOLD, &c->issues, &r.threshold);
	return (r.threshold);
}

void
tenant_settings_put(struct call *c)
{
	enum severity threshold = SEVERITY_CRITICAL;
	struct uuid call;

	if (c->body != NULL)
		threshold = take_threshold(c);
	if (!admit(c))
		return;
	call_new_id(c, &call);
	if (admit_settle(c, store_settings_set(c->api->db, &c->caller, &call, threshold,
				c->deadline_ms, &c->ruling)))
		reply_data(c->out, 200, slice_of("{\"updated\":true}"));
}
