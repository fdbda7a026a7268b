/*
 * The JSON of a webhook (contract §5): the envelope, then the event's own fields as they came.
 */
#include "domain/render.h"

#include "base/clock.h"

/** A member of the envelope. */
struct member {
	struct slice name;
	struct slice (*value)(const struct render_input *in); /* absent: left out */
};

static struct slice
event_name(const struct render_input *in)
{
	return (in->event->name);
}

static struct slice
event_id(const struct render_input *in)
{
	return (in->event->known.id);
}

static struct slice
delivery_id(const struct render_input *in)
{
	return (in->delivery_id);
}

static struct slice
analysis_id(const struct render_input *in)
{
	return (in->event->analysis_id);
}

static struct slice
tenant_id(const struct render_input *in)
{
	return (in->event->known.tenant_id);
}

static struct slice
project_id(const struct render_input *in)
{
	return (in->event->known.project_id);
}

static struct slice
project_slug(const struct render_input *in)
{
	return (in->event->known.project_slug);
}

/* As the sender wrote it, where he did. */
static struct slice
created_at(const struct render_input *in)
{
	const struct json *v = json_get(in->event->payload, "createdAt");

	return (v == NULL ? slice_make(NULL, 0) : json_string(v));
}

/* In the contract's order.  The version is a number, and ours alone. */
static const struct member envelope[] = {
    {SLICE_LIT("event"), event_name},
    {SLICE_LIT("eventId"), event_id},
    {SLICE_LIT("deliveryId"), delivery_id},
    {SLICE_LIT("analysisId"), analysis_id},
    {SLICE_LIT("tenantId"), tenant_id},
    {SLICE_LIT("projectId"), project_id},
    {SLICE_LIT("projectSlug"), project_slug},
    {SLICE_LIT("createdAt"), created_at},
    {SLICE_LIT("payloadVersion"), NULL},
};

#define NENVELOPE (sizeof(envelope) / sizeof(envelope[0]))

/* All but the last, which needs no comma behind it. */
static void
put_envelope(const struct render_input *in, struct buf *out)
{
	char at[CLOCK_RFC3339_SIZE];
	struct slice value;
	size_t i;

	clock_rfc3339(in->event->known.occurred_ms, at);
	buf_addc(out, '{');
	for (i = 0; i < NENVELOPE - 1; i++) {
		value = envelope[i].value(in);
		if (value.ptr == NULL && envelope[i].value == created_at)
			value = slice_of(at);
		if (value.ptr == NULL)
			continue;
		json_put(out, envelope[i].name);
		buf_addc(out, ':');
		json_put(out, value);
		buf_addc(out, ',');
	}
	buf_add(out, slice_of("\"payloadVersion\":1"));
}

/* One of the event's own fields (json_each). */
static bool
put_own(void *ctx, struct slice name, struct json *value)
{
	struct buf *out = ctx;
	size_t i;

	for (i = 0; i < NENVELOPE; i++) {
		if (slice_eq(name, envelope[i].name))
			return (true);
	}
	buf_addc(out, ',');
	json_put(out, name);
	buf_addc(out, ':');
	json_write(out, value);
	return (true);
}

/* What happens to this delivery, where the event has no field of its own by that name. */
static void
put_marks(const struct render_input *in, struct buf *out)
{
	const struct event *e = in->event;
	const int64_t late_ms = in->now_ms - e->known.accepted_ms;

	if (in->is_test && json_get(e->payload, "test") == NULL)
		buf_add(out, slice_of(",\"test\":true"));
	if (late_ms > RENDER_LATE_MS && json_get(e->payload, "lateSeconds") == NULL)
		buf_printf(out, ",\"lateSeconds\":%lld", (long long)(late_ms / 1000));
}

enum err
render_webhook(const struct render_input *in, struct buf *out)
{
	put_envelope(in, out);
	json_each(in->event->payload, put_own, out);
	put_marks(in, out);
	buf_addc(out, '}');
	return (buf_ok(out) ? ERR_OK : ERR_NOMEM);
}
