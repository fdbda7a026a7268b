/* event: both forms of the lists, what is missing or of another type, what is damaged. */
#include "domain/event.h"

#include "events.h"

#define IS(s, want) slice_eq((s), slice_of(want))

static void
test_full(void **state)
{
	struct event *e = event_of(PAYLOAD_ORDINARY);

	(void)state;
	assert_true(IS(e->name, "analysis.complete") && IS(e->analysis_id, "42"));
	assert_int_equal(e->severity, SEVERITY_HIGH);
	assert_true(IS(e->summary, "Pool exhausted"));
	assert_true(IS(e->url, "https://dash.example.com/a/42?x=1&y=2"));
	assert_true(IS(e->confidence, "0.87"));
	assert_true(IS(e->cause.description, "20 < 85 & rising"));
	assert_true(IS(e->cause.service, "checkout-api") && IS(e->cause.error_type, "PoolTimeout"));
	assert_true(IS(e->cause.category, "resource"));
	assert_int_equal(e->nservices, 2);
	assert_true(IS(e->services[0].name, "api") && IS(e->services[0].role, "origin"));
	assert_true(IS(e->services[0].error_count, "12"));
	assert_true(IS(e->services[1].name, "cart") && e->services[1].role.ptr == NULL);
	assert_int_equal(e->nactions, 2);
	assert_true(IS(e->actions[0].action, "Raise it") && IS(e->actions[0].priority, "1"));
	assert_true(IS(e->actions[0].rationale, "demand is 85") && IS(e->actions[0].type, "fix"));
	assert_true(IS(e->actions[1].action, "Roll back") && e->actions[1].type.ptr == NULL);
	assert_true(IS(e->known.id, EVENT_ID) && IS(e->known.project_slug, "checkout"));
	assert_true(e->known.id.ptr != known_sample.id.ptr);
	assert_int_equal(e->known.occurred_ms, OCCURRED_MS);
	assert_int_equal(json_type(e->payload), JSON_OBJECT);
	event_free(e);
	event_free(NULL);
}

static void
test_bare(void **state)
{
	static const char *const rows[] = {
	    PAYLOAD_BARE,
	    "{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"s\",\"analysisId\":null,\"url\":"
	    "null,"
	    "\"confidence\":null,\"rootCause\":null,\"affectedServices\":null,"
	    "\"suggestedActions\":null}",
	    "{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"s\",\"analysisId\":{},\"url\":[]"
	    ","
	    "\"confidence\":true,\"rootCause\":[1],\"affectedServices\":{\"a\":1},"
	    "\"suggestedActions\":\"x\"}",
	    "{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"s\",\"rootCause\":{\"service\":{"
	    "},"
	    "\"x\":1},\"affectedServices\":[null,1,\"\",{},[\"a\"],{\"serviceName\":[]}],"
	    "\"suggestedActions\":[]}",
	};
	struct event *e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		e = event_of(rows[i]);
		CHECK(rows[i], e->severity == SEVERITY_LOW && IS(e->summary, "s"));
		CHECK(rows[i], e->analysis_id.ptr == NULL && e->url.ptr == NULL);
		CHECK(rows[i], e->confidence.ptr == NULL && e->cause.description.ptr == NULL);
		CHECK(rows[i], e->cause.service.ptr == NULL);
		CHECK(rows[i], e->nservices == 0 && e->nactions == 0);
		event_free(e);
	}
}

/* An element without a name leaves nothing to the next one. */
static void
test_left_out(void **state)
{
	struct event *e =
	    event_of("{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"s\","
		     "\"affectedServices\":[{\"role\":\"origin\",\"errorCount\":3},\"b\","
		     "{\"errorCount\":4}]}");

	(void)state;
	assert_int_equal(e->nservices, 1);
	assert_true(IS(e->services[0].name, "b"));
	assert_true(e->services[0].role.ptr == NULL && e->services[0].error_count.ptr == NULL);
	event_free(e);
}

static void
test_damaged(void **state)
{
	static const char *const rows[] = {
	    "",
	    "null",
	    "[]",
	    "\"x\"",
	    "{}",
	    "{\"event\":\"a\",\"severity\":\"low\"}",
	    "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"\"}",
	    "{\"event\":\"a\",\"severity\":\"low\",\"summary\":{}}",
	    "{\"event\":\"a\",\"severity\":\"LOW\",\"summary\":\"s\"}",
	    "{\"event\":\"a\",\"severity\":1,\"summary\":\"s\"}",
	    "{\"event\":\"a\",\"summary\":\"s\"}",
	    "{\"severity\":\"low\",\"summary\":\"s\"}",
	    "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"s\"",
	    "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"s\xff\"}",
	};
	struct event *e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		e = (struct event *)&e;
		CHECK(rows[i], event_parse(slice_of(rows[i]), &known_sample, &e) == ERR_DAMAGED);
		CHECK(rows[i], e == NULL);
	}
}

static void
test_sizes(void **state)
{
	struct event_known known = known_sample;
	struct event *e;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, EVENT_PAYLOAD_MAX + 1);
	buf_add(&b, slice_of("{\"event\":\"a\",\"severity\":\"info\",\"summary\":\"s\","
			     "\"affectedServices\":[\"a\""));
	while (b.len < EVENT_PAYLOAD_MAX - 2 - 4)
		buf_add(&b, slice_of(",\"a\""));
	while (b.len < EVENT_PAYLOAD_MAX - 2)
		buf_addc(&b, ' ');
	i = b.len;
	buf_add(&b, slice_of("]}"));
	assert_int_equal(b.len, EVENT_PAYLOAD_MAX);
	assert_int_equal(event_parse(buf_slice(&b), &known, &e), ERR_OK);
	assert_true(e->nservices > 260000);
	event_free(e);
	b.len = i;
	buf_add(&b, slice_of(" ]}"));
	assert_int_equal(event_parse(buf_slice(&b), &known, &e), ERR_SPACE);
	assert_null(e);
	buf_clear(&b);
	/* times that no calendar of ours has */
	known.occurred_ms = INT64_MAX;
	assert_int_equal(event_parse(slice_of(PAYLOAD_BARE), &known, &e), ERR_OK);
	assert_int_equal(e->known.occurred_ms, 253402300799999);
	event_free(e);
	known.occurred_ms = INT64_MIN;
	assert_int_equal(event_parse(slice_of(PAYLOAD_BARE), &known, &e), ERR_OK);
	assert_int_equal(e->known.occurred_ms, -62135596800000);
	event_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_bare),
	    cmocka_unit_test(test_left_out),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_sizes),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
