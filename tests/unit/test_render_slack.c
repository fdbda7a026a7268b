/* render_slack: Block Kit within Slack's limits, and nothing that Slack would obey. */
#include "domain/render.h"

#include "events.h"

/** What a message amounts to. */
struct totals {
	const char *row;
	size_t text; /* UTF-16 units of all texts */
	size_t blocks;
};

static bool
is_text_object(const struct json *v)
{
	struct slice type = json_string(json_get(v, "type") == NULL ? v : json_get(v, "type"));

	return (slice_eq(type, slice_of("plain_text")) || slice_eq(type, slice_of("mrkdwn")));
}

static void
see(void *ctx, struct slice name, const struct json *v)
{
	struct totals *t = ctx;
	size_t n;

	if (json_type(v) == JSON_OBJECT && is_text_object(v)) {
		n = utf16(json_get(v, "text"));
		CHECK(t->row, n >= 1 && n <= 3000);
	}
	if (slice_eq(name, slice_of("text")) && json_type(v) == JSON_STRING)
		t->text += utf16(v);
	if (slice_eq(name, slice_of("blocks")) && json_type(v) == JSON_OBJECT)
		t->blocks++;
	if (slice_eq(name, slice_of("fields")) && json_type(v) == JSON_ARRAY)
		CHECK(t->row, json_len(v) >= 1 && json_len(v) <= 10);
	if (slice_eq(name, slice_of("fields")) && json_type(v) == JSON_OBJECT)
		CHECK(t->row, utf16(json_get(v, "text")) <= 2000);
	if (slice_eq(name, slice_of("elements")) && json_type(v) == JSON_ARRAY)
		CHECK(t->row, json_len(v) >= 1 && json_len(v) <= 10);
	if (slice_eq(name, slice_of("url")))
		CHECK(t->row, utf16(v) <= 3000);
}

static void
check(const char *row, const struct render_input *in)
{
	struct totals t = {.row = row};
	struct walk w = {see, &t};
	const struct json *header;
	struct json *v;
	size_t size;

	v = render_json(row, in, render_slack, &size);
	walk(&w, slice_of(""), v);
	CHECK(row, t.text <= 10000);
	CHECK(row, t.blocks >= 2 && t.blocks <= 50);
	header = json_get(json_at(json_get(v, "blocks"), 0), "text");
	CHECK(row, utf16(json_get(header, "text")) <= 150);
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
	static const char *const ordinary[] = {"\"[HIGH] Pool exhausted\"", "\"color\":\"#dc2626\"",
	    "\"Project\\ncheckout\"", "\"Service\\ncheckout-api\"", "\"Confidence\\n87%\"",
	    "\"Analysis\\n42\"", "\"20 < 85 & rising\"", "\"api (origin, 12 errors)\\ncart\"",
	    "\"1. Raise it (fix): demand is 85\\n2. Roll back\"", "\"Event " EVENT_ID "\"",
	    "<https://dash.example.com/a/42?x=1&amp;y=2|Open details>",
	    "<!date^1795454400^{date_short_pretty} {time_secs}|2026-11-23 17:20:00 UTC>", NULL};
	static const char *const test[] = {
	    "\"[TEST] [HIGH] Pool exhausted\"", "\"This is a test of the channel Ops.\"", NULL};
	static const char *const late[] = {"\"Sent 5 min after the event was accepted.\"", NULL};
	static const char *const not_late[] = {"Sent", NULL};
	static const char *const left_out[] = {"Root cause", "Affected", "Suggested",
	    "Open details", "Confidence", "Sent", "TEST", NULL};

	(void)state;
	check_holds(PAYLOAD_ORDINARY, NULL, render_slack, ordinary);
	check_holds(PAYLOAD_ORDINARY, as_test, render_slack, test);
	check_holds(PAYLOAD_ORDINARY, as_late, render_slack, late);
	check_lacks(PAYLOAD_ORDINARY, just_in_time, render_slack, not_late);
	check_lacks(PAYLOAD_BARE, NULL, render_slack, left_out);
}

/* Of the severities, each has its colour. */
static void
test_colours(void **state)
{
	static const char *const rows[SEVERITY__MAX][2] = {{"critical", "#991b1b"},
	    {"high", "#dc2626"}, {"medium", "#eab308"}, {"low", "#0891b2"}, {"info", "#6b7280"}};
	const char *want[] = {NULL, NULL};
	char payload[100];
	size_t i;

	(void)state;
	for (i = 0; i < SEVERITY__MAX; i++) {
		snprintf(payload, sizeof(payload),
		    "{\"event\":\"a\",\"severity\":\"%s\",\"summary\":\"s\"}", rows[i][0]);
		want[0] = rows[i][1];
		check_holds(payload, NULL, render_slack, want);
	}
}

static void
test_hostile(void **state)
{
	static const char payload[] =
	    "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"<!channel> *b* &amp; <@U1> "
	    "\\u202e:smile:\",\"url\":\"https://h.example/<!here>|x\"}";
	static const char *const want[] = {
	    "\"text\":\"[LOW] &lt;!channel&gt; *b* &amp;amp; &lt;@U1&gt; :smile:\",\"unfurl",
	    "\"plain_text\",\"emoji\":false,\"text\":\"[LOW] <!channel> *b* &amp; <@U1> :smile:\"",
	    "<https://h.example/%3C!here%3E%7Cx|Open details>", NULL};

	(void)state;
	check_holds(payload, NULL, render_slack, want);
}

/* The summary stands in full below a header that has no room for it, and only then. */
static void
test_header(void **state)
{
	static const struct {
		size_t n;
		const char *end;
		bool twice;
	} rows[] = {{144, "z", false}, {145, "z", true}, {10, "\\nz", true}};
	char payload[400], *text, *first;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(payload, sizeof(payload),
		    "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"%0*d%s\"}",
		    (int)rows[i].n - 1, 0, rows[i].end);
		text = render_of(payload, NULL, render_slack);
		assert_non_null(first = strstr(text, "\"attachments\""));
		CHECK(payload, (strstr(first, "z\"") != NULL) == rows[i].twice);
		free(text);
	}
}

static void
test_memory(void **state)
{
	struct event *e = event_of(PAYLOAD_ORDINARY);
	struct render_input in = input_of(e);
	struct buf out;

	(void)state;
	buf_init(&out, 300);
	assert_int_equal(render_slack(&in, &out), ERR_NOMEM);
	buf_clear(&out);
	event_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_shows),
	    cmocka_unit_test(test_colours),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_memory),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
