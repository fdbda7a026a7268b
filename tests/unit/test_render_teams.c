/* render_teams: an Adaptive Card below 25,000 bytes, in which untrusted text is no Markdown. */
#include "domain/render.h"

#include "events.h"

static void
see(void *ctx, struct slice name, const struct json *v)
{
	const char *row = ctx;

	if (slice_eq(name, slice_of("text")))
		CHECK(row, json_type(v) == JSON_STRING && json_string(v).len > 0);
	if (json_type(v) == JSON_OBJECT && json_get(v, "text") != NULL)
		CHECK(row, slice_eq(json_string(json_get(v, "type")), slice_of("TextRun")));
	if (json_type(v) == JSON_STRING)
		CHECK(row, memchr(json_string(v).ptr, '\n', json_string(v).len) == NULL);
}

static void
check(const char *row, const struct render_input *in)
{
	struct walk w = {see, NULL};
	struct json *v;
	size_t size;

	w.ctx = (void *)(uintptr_t)row;
	v = render_json(row, in, render_teams, &size);
	CHECK(row, size <= 25000);
	walk(&w, slice_of(""), v);
	json_free(v);
}

static void
test_extremes(void **state)
{
	(void)state;
	each_extreme(check);
}

static void
test_shows(void **state)
{
	static const char *const ordinary[] = {"\"summary\":\"[HIGH] Pool exhausted\"",
	    "\"style\":\"attention\"", "\"color\":\"Attention\",\"text\":\"[HIGH]\"",
	    "\"text\":\"Pool exhausted\"",
	    "\"text\":\"Project:\"},{\"type\":\"TextRun\",\"text\":\" checkout\"",
	    "\"text\":\" checkout-api\"", "\"text\":\" 87%\"", "\"text\":\"20 < 85 & rising\"",
	    "\"text\":\"api (origin, 12 errors)\"", "\"text\":\"cart\"",
	    "\"text\":\"1. Raise it (fix): demand is 85\"", "\"text\":\"2. Roll back\"",
	    "\"text\":\"2026-11-23 17:20:00 UTC\"", "\"text\":\"Event " EVENT_ID "\"",
	    "\"url\":\"https://dash.example.com/a/42?x=1&y=2\"", NULL};
	static const char *const test[] = {
	    "\"text\":\"[TEST] [HIGH]\"", "\"text\":\"This is a test of the channel Ops.\"", NULL};
	static const char *const late[] = {"\"Sent 5 min after the event was accepted.\"", NULL};
	static const char *const not_late[] = {"Sent", NULL};
	static const char *const left_out[] = {"Root cause", "Affected", "Suggested",
	    "Action.OpenUrl", "Confidence", "Sent", "TEST", NULL};

	(void)state;
	check_holds(PAYLOAD_ORDINARY, NULL, render_teams, ordinary);
	check_holds(PAYLOAD_ORDINARY, as_test, render_teams, test);
	check_holds(PAYLOAD_ORDINARY, as_late, render_teams, late);
	check_lacks(PAYLOAD_ORDINARY, just_in_time, render_teams, not_late);
	check_lacks(PAYLOAD_BARE, NULL, render_teams, left_out);
}

static void
test_hostile(void **state)
{
	static const char payload[] =
	    "{\"event\":\"a\",\"severity\":\"medium\",\"summary\":\"**b** [x](https://e.example)\\n"
	    "<at>all</at> {{DATE(2020-01-01T00:00:00Z, SHORT)}}\"}";
	static const char *const want[] = {"\"color\":\"Warning\"",
	    "\"text\":\"**b** [x](https://e.example) <at>all</at> {\xe2\x80\x8b{DATE(",
	    "\"text\":\"**b** [x](https://e.example)\"}",
	    "\"text\":\"<at>all</at> {\xe2\x80\x8b{DATE(", NULL};

	(void)state;
	check_holds(payload, NULL, render_teams, want);
}

/* 10,000 letters stand there in full where nothing else needs the room. */
static void
test_room(void **state)
{
	struct buf payload, want;
	const char *wants[] = {NULL, NULL};

	(void)state;
	buf_init(&payload, 20000);
	buf_init(&want, 20000);
	buf_printf(&want, "%09999d.\"", 7);
	buf_printf(
	    &payload, "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"%s}", buf_str(&want));
	wants[0] = buf_str(&want);
	check_holds(buf_str(&payload), NULL, render_teams, wants);
	buf_clear(&payload);
	buf_clear(&want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_shows),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_room),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
