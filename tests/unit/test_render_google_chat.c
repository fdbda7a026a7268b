/* render_google_chat: one card below Google's size, whose HTML is ours alone; and its URL. */
#include "domain/render.h"

#include "events.h"

/** What a message amounts to. */
struct totals {
	const char *row;
	size_t widgets;
};

/* Our own tags; what else begins with '<' would be theirs. */
static bool
is_our_tag(const char *p)
{
	static const char *const tags[] = {
	    "<b><font color=\"#", "</font>", "</b>", "<br>", "<font c"};
	size_t i;

	for (i = 0; i < NELEMS(tags); i++) {
		if (strncmp(p, tags[i], strlen(tags[i])) == 0)
			return (true);
	}
	return (false);
}

static void
see(void *ctx, struct slice name, const struct json *v)
{
	struct totals *t = ctx;
	const char *p;

	if (slice_eq(name, slice_of("widgets")) && json_type(v) == JSON_ARRAY) {
		CHECK(t->row, json_len(v) >= 1);
		t->widgets += json_len(v);
	}
	if (!slice_eq(name, slice_of("text")) || json_type(v) != JSON_STRING)
		return;
	CHECK(t->row, json_string(v).len > 0);
	for (p = json_string(v).ptr; (p = strchr(p, '<')) != NULL; p++)
		CHECK(t->row, is_our_tag(p));
}

static void
check(const char *row, const struct render_input *in)
{
	struct totals t = {.row = row};
	struct walk w = {see, &t};
	struct json *v;
	size_t size;

	v = render_json(row, in, render_google_chat, &size);
	CHECK(row, size <= 31000);
	walk(&w, slice_of(""), v);
	CHECK(row, t.widgets <= 100);
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
	static const char *const ordinary[] = {"\"fallbackText\":\"[HIGH] Pool exhausted\"",
	    "<b><font color=\\\"#dc2626\\\">HIGH</font></b> Pool exhausted",
	    "\"topLabel\":\"Project\",\"text\":\"checkout\"", "\"text\":\"checkout-api\"",
	    "\"text\":\"87%\"", "\"text\":\"20 &lt; 85 &amp; rising\"",
	    "\"text\":\"api (origin, 12 errors)<br>cart\"",
	    "\"text\":\"1. Raise it (fix): demand is 85<br>2. Roll back\"",
	    "\"text\":\"2026-11-23 17:20:00 UTC\"", "\"text\":\"" EVENT_ID "\"",
	    "\"url\":\"https://dash.example.com/a/42?x=1&y=2\"", "\"threadKey\":\"sigsentry-",
	    NULL};
	static const char *const test[] = {"\"title\":\"[TEST] [HIGH] checkout\"",
	    "\"text\":\"This is a test of the channel Ops.\"", NULL};
	static const char *const late[] = {"\"Sent 5 min after the event was accepted.\"", NULL};
	static const char *const not_late[] = {"Sent", NULL};
	static const char *const left_out[] = {
	    "Root cause", "Affected", "Suggested", "openLink", "Confidence", "Sent", "TEST", NULL};

	(void)state;
	check_holds(PAYLOAD_ORDINARY, NULL, render_google_chat, ordinary);
	check_holds(PAYLOAD_ORDINARY, as_test, render_google_chat, test);
	check_holds(PAYLOAD_ORDINARY, as_late, render_google_chat, late);
	check_lacks(PAYLOAD_ORDINARY, just_in_time, render_google_chat, not_late);
	check_lacks(PAYLOAD_BARE, NULL, render_google_chat, left_out);
}

static void
test_hostile(void **state)
{
	static const char payload[] = "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"<users/"
				      "all> <b>\\\"x\\\"</b> &lt;\"}";
	static const char *const want[] = {"\"fallbackText\":\"[LOW] <\xe2\x80\x8busers/all> ",
	    "</b> &lt;users/all&gt; &lt;b&gt;&quot;x&quot;&lt;/b&gt; &amp;lt;\"", NULL};

	(void)state;
	check_holds(payload, NULL, render_google_chat, want);
}

/* What belongs to one analysis has one thread; other projects' analyses have others. */
static void
test_thread(void **state)
{
	struct event_known known = known_sample;
	struct render_input in;
	struct event *e;
	struct buf out[3];
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		known.id = slice_of(i == 0 ? EVENT_ID : DELIVERY_ID);
		known.project_id = slice_of(i == 2 ? TENANT_ID : PROJECT_ID);
		assert_int_equal(event_parse(slice_of(PAYLOAD_ORDINARY), &known, &e), ERR_OK);
		in = input_of(e);
		buf_init(&out[i], RENDER_MAX);
		assert_int_equal(render_google_chat(&in, &out[i]), ERR_OK);
		assert_non_null(strstr(buf_str(&out[i]), "threadKey"));
		event_free(e);
	}
	assert_string_equal(
	    strstr(buf_str(&out[0]), "threadKey"), strstr(buf_str(&out[1]), "threadKey"));
	assert_string_not_equal(
	    strstr(buf_str(&out[0]), "threadKey"), strstr(buf_str(&out[2]), "threadKey"));
	for (i = 0; i < 3; i++)
		buf_clear(&out[i]);
}

static void
test_url(void **state)
{
#define OURS "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&requestId=" DELIVERY_ID
	static const char *const rows[][2] = {
	    {"https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t%3D",
		"https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t%3D&" OURS},
	    {"https://chat.googleapis.com/v1/spaces/A/"
	     "messages?requestId=1&key=k&threadKey=2&&token=t&"
	     "messageReplyOption=REPLY_MESSAGE_OR_FAIL",
		"https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t&" OURS},
	    {"https://sink.example.com/x", "https://sink.example.com/x?" OURS},
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 1000);
	for (i = 0; i < NELEMS(rows); i++) {
		buf_reset(&b);
		assert_int_equal(
		    render_google_chat_url(slice_of(rows[i][0]), slice_of(DELIVERY_ID), &b),
		    ERR_OK);
		assert_string_equal(buf_str(&b), rows[i][1]);
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_shows),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_thread),
	    cmocka_unit_test(test_url),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
