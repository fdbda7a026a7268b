/*
 * For the scripts beside it: each line of the standard input is a JSON object that says what to
 * render or to sign; each line of the standard output is what came of it, with its bytes in base64.
 *   {"type":"slack","payload":"{…}","occurredMs":0,"acceptedMs":0,"nowMs":0, …}
 *   {"error":"ok","out":"<base64>"}
 */
#include "domain/render.h"
#include "base/crypt.h"
#include "base/json.h"
#include "domain/channel.h"
#include "domain/event.h"
#include "domain/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_ (8 * 1024 * 1024)

/** One line's order. */
struct order {
	const struct json *line;
	struct event *event;
	struct render_input in;
	struct buf *out;
};

/** What an order may ask for. */
struct job {
	const char *type;
	bool needs_event;
	enum err (*run)(struct order *o);
};

static struct slice
text(const struct order *o, const char *name)
{
	const struct json *v = json_get(o->line, name);

	return (v == NULL ? slice_make(NULL, 0) : json_string(v));
}

static int64_t
number(const struct order *o, const char *name)
{
	int64_t n = 0;

	if (json_int(json_get(o->line, name), -(1LL << 52), 1LL << 52, &n) != ERR_OK)
		n = 0;
	return (n);
}

static enum err
run_email(struct order *o)
{
	struct render_mail mail = {
	    .from = text(o, "from"), .to = text(o, "to"), .domain = text(o, "domain")};

	return (render_email(&o->in, &mail, o->out));
}

static enum err
run_sign(struct order *o)
{
	struct sign_input in = {.event = text(o, "event"),
	    .delivery_id = text(o, "deliveryId"),
	    .timestamp_s = number(o, "timestamp"),
	    .body = text(o, "body"),
	    .auth_header = text(o, "authHeader"),
	    .hmac_secret = text(o, "secret"),
	    .old_secret = text(o, "oldSecret")};
	struct sign_headers h;
	enum err rc = sign_make(&in, &h);
	size_t i;

	for (i = 0; i < h.count; i++) {
		buf_add(o->out, buf_slice(&h.lines[i]));
		buf_addc(o->out, '\n');
	}
	sign_clear(&h);
	return (rc == ERR_OK && !buf_ok(o->out) ? ERR_NOMEM : rc);
}

/* The body that channels of the type get. */
static enum err
run_post(struct order *o)
{
	enum channel_type type;

	if (channel_type_parse(text(o, "type"), &type) != ERR_OK || render_posts[type].body == NULL)
		return (ERR_NOTFOUND);
	return (render_posts[type].body(&o->in, o->out));
}

static const struct job jobs[] = {
    {"email", true, run_email}, {"sign", false, run_sign}, {NULL, true, run_post}, /* any other */
};

static enum err
run(struct order *o)
{
	struct event_known known = {.id = text(o, "eventId"),
	    .tenant_id = text(o, "tenantId"),
	    .project_id = text(o, "projectId"),
	    .project_slug = text(o, "projectSlug"),
	    .occurred_ms = number(o, "occurredMs"),
	    .accepted_ms = number(o, "acceptedMs")};
	const struct job *job = jobs;
	enum err rc;

	while (job->type != NULL && !slice_eq(text(o, "type"), slice_of(job->type)))
		job++;
	if (job->needs_event && (rc = event_parse(text(o, "payload"), &known, &o->event)) != ERR_OK)
		return (rc);
	o->in.event = o->event;
	o->in.delivery_id = text(o, "deliveryId");
	o->in.channel_name = text(o, "channelName");
	o->in.now_ms = number(o, "nowMs");
	o->in.is_test =
	    json_get(o->line, "isTest") != NULL && json_bool(json_get(o->line, "isTest"));
	rc = job->run(o);
	event_free(o->event);
	return (rc);
}

static void
answer(struct slice line)
{
	struct json_fault fault;
	struct json *v = NULL;
	struct buf out;
	struct order o = {.out = &out};
	enum err rc;
	char *text64;

	buf_init(&out, RENDER_MAX);
	rc = json_parse(line, &v, &fault);
	o.line = v;
	if (rc == ERR_OK)
		rc = run(&o);
	if ((text64 = malloc(TEXT_BASE64_LEN(out.len) + 1)) == NULL)
		exit(1);
	text_base64((const uint8_t *)buf_slice(&out).ptr, out.len, text64);
	printf("{\"error\":\"%s\",\"out\":\"%s\"}\n", err_word(rc), text64);
	free(text64);
	buf_clear(&out);
	if (v != NULL)
		json_free(v);
}

int
main(void)
{
	static char line[LINE_MAX_];

	if (crypt_init() != ERR_OK)
		return (1);
	while (fgets(line, sizeof(line), stdin) != NULL)
		answer(slice_make(line, strlen(line)));
	return (0);
}
