/* render_webhook: the envelope is ours, every own field an equal value. */
#include "domain/render.h"

#include "events.h"

#define ENVELOPE "\"eventId\":\"" EVENT_ID "\",\"deliveryId\":\"" DELIVERY_ID "\","
#define PLACE                                                        \
	"\"tenantId\":\"" TENANT_ID "\",\"projectId\":\"" PROJECT_ID \
	"\",\"projectSlug\":\"checkout\","

static const struct {
	const char *payload;
	void (*change)(struct render_input *in);
	const char *want;
} rows[] = {
    {PAYLOAD_BARE, NULL,
	"{\"event\":\"a.b\"," ENVELOPE PLACE "\"createdAt\":\"2026-11-23T17:20:00.000Z\","
	"\"payloadVersion\":1,\"severity\":\"low\",\"summary\":\"s\"}"},
    /* own fields in their order, numbers with their digits */
    {"{\"z\": 1.50, \"summary\": \"s\\u00e9\\n\", \"event\": \"a.b\", \"n\": "
     "[-0, 123456789012345678901234567890.10, 1E+2, {\"event\": null, \"eventId\": {}}], "
     "\"severity\": \"info\", \"a\": false, \"createdAt\": \"2026-01-01T01:00:00+01:00\", "
     "\"analysisId\": \"x\"}",
	NULL,
	"{\"event\":\"a.b\"," ENVELOPE "\"analysisId\":\"x\"," PLACE
	"\"createdAt\":\"2026-01-01T01:00:00+01:00\",\"payloadVersion\":1,\"z\":1.50,"
	"\"summary\":\"s\xc3\xa9\\n\",\"n\":[-0,123456789012345678901234567890.10,1E+2,"
	"{\"event\":null,\"eventId\":{}}],\"severity\":\"info\",\"a\":false}"},
    /* reserved names that should not be there are ours */
    {"{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"s\",\"eventId\":\"forged\","
     "\"deliveryId\":1,\"tenantId\":{},\"projectId\":[],\"projectSlug\":null,"
     "\"payloadVersion\":2,\"createdAt\":null,\"analysisId\":null}",
	NULL,
	"{\"event\":\"a.b\"," ENVELOPE PLACE "\"createdAt\":\"2026-11-23T17:20:00.000Z\","
	"\"payloadVersion\":1,\"severity\":\"low\",\"summary\":\"s\"}"},
    {PAYLOAD_BARE, as_test,
	"{\"event\":\"a.b\"," ENVELOPE PLACE "\"createdAt\":\"2026-11-23T17:20:00.000Z\","
	"\"payloadVersion\":1,\"severity\":\"low\",\"summary\":\"s\",\"test\":true}"},
    {PAYLOAD_BARE, just_in_time,
	"{\"event\":\"a.b\"," ENVELOPE PLACE "\"createdAt\":\"2026-11-23T17:20:00.000Z\","
	"\"payloadVersion\":1,\"severity\":\"low\",\"summary\":\"s\"}"},
    {PAYLOAD_BARE, as_late,
	"{\"event\":\"a.b\"," ENVELOPE PLACE "\"createdAt\":\"2026-11-23T17:20:00.000Z\","
	"\"payloadVersion\":1,\"severity\":\"low\",\"summary\":\"s\",\"lateSeconds\":300}"},
    /* an own field of the same name stays, and there is only one */
    {"{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"s\",\"test\":7,\"lateSeconds\":\"x\"}",
	as_late,
	"{\"event\":\"a.b\"," ENVELOPE PLACE "\"createdAt\":\"2026-11-23T17:20:00.000Z\","
	"\"payloadVersion\":1,\"severity\":\"low\",\"summary\":\"s\",\"test\":7,"
	"\"lateSeconds\":\"x\"}"},
};

static void
test_rows(void **state)
{
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		text = render_of(rows[i].payload, rows[i].change, render_webhook);
		assert_string_equal(text, rows[i].want);
		free(text);
	}
}

static bool
is_same(void *ctx, struct slice name, struct json *value)
{
	const struct json *out = ctx;

	CHECK(name.ptr, json_equal(json_get(out, name.ptr), value));
	return (true);
}

static void
check(const char *row, const struct render_input *in)
{
	struct json *v;
	size_t size;

	v = render_json(row, in, render_webhook, &size);
	json_each(in->event->payload, is_same, v);
	json_free(v);
}

static void
test_extremes(void **state)
{
	(void)state;
	each_extreme(check);
}

/* The largest event that the queue can hold is below RENDER_MAX. */
static void
test_largest(void **state)
{
	struct render_input in;
	struct event *e;
	struct buf b, out;

	(void)state;
	buf_init(&b, EVENT_PAYLOAD_MAX);
	buf_add(&b, slice_of("{\"event\":\"a\",\"severity\":\"info\",\"summary\":\"s\",\"x\":\""));
	while (b.len < EVENT_PAYLOAD_MAX - 2)
		buf_addc(&b, '<');
	buf_add(&b, slice_of("\"}"));
	e = event_of(buf_str(&b));
	in = input_of(e);
	buf_init(&out, RENDER_MAX);
	assert_int_equal(render_webhook(&in, &out), ERR_OK);
	assert_true(out.len > EVENT_PAYLOAD_MAX);
	buf_clear(&out);
	buf_init(&out, EVENT_PAYLOAD_MAX);
	assert_int_equal(render_webhook(&in, &out), ERR_NOMEM);
	buf_clear(&out);
	buf_clear(&b);
	event_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_largest),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
