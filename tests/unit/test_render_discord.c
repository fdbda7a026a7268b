/* render_discord: one embed within Discord's limits, pinging nobody; and where it is sent. */
#include "domain/render.h"

#include "events.h"

static size_t
length(const char *row, const struct json *v, size_t max)
{
	CHECK(row, v != NULL && !cut_is_blank(json_string(v)) && utf16(v) <= max);
	return (utf16(v));
}

static void
check(const char *row, const struct render_input *in)
{
	const struct json *embed, *fields, *field;
	struct json *v;
	size_t size, sum, i;

	v = render_json(row, in, render_discord, &size);
	CHECK(row, json_get(v, "content") == NULL && json_len(json_get(v, "embeds")) == 1);
	CHECK(row, json_len(json_get(json_get(v, "allowed_mentions"), "parse")) == 0);
	embed = json_at(json_get(v, "embeds"), 0);
	sum = length(row, json_get(embed, "title"), 256) +
	      length(row, json_get(json_get(embed, "footer"), "text"), 2048);
	if (json_get(embed, "description") != NULL)
		sum += length(row, json_get(embed, "description"), 4096);
	fields = json_get(embed, "fields");
	CHECK(row, json_len(fields) <= 25);
	for (i = 0; (field = json_at(fields, i)) != NULL; i++)
		sum += length(row, json_get(field, "name"), 256) +
		       length(row, json_get(field, "value"), 1024);
	if (sum > 6000)
		fail_msg("%s: %zu", row, sum);
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
	static const char *const ordinary[] = {"\"title\":\"[HIGH] Pool exhausted\"",
	    "\"color\":14427686", "\"timestamp\":\"2026-11-23T17:20:00.000Z\"",
	    "\"name\":\"Project\",\"value\":\"checkout\"", "\"value\":\"checkout-api\"",
	    "\"value\":\"87%\"", "\"value\":\"20 \\\\< 85 & rising\"",
	    "\"value\":\"api \\\\(origin, 12 errors\\\\)\\ncart\"",
	    "\"value\":\"1. Raise it \\\\(fix\\\\)\\\\: demand is 85\\n2. Roll back\"",
	    "\"footer\":{\"text\":\"Event " EVENT_ID "\"}",
	    "\"url\":\"https://dash.example.com/a/42?x=1&y=2\"",
	    "\"allowed_mentions\":{\"parse\":[]}", NULL};
	static const char *const test[] = {
	    "\"[TEST] [HIGH] Pool exhausted\"", "\"This is a test of the channel Ops.\"", NULL};
	static const char *const late[] = {"\"Sent 5 min after the event was accepted.\"", NULL};
	static const char *const not_late[] = {"Sent", NULL};
	static const char *const left_out[] = {"Root cause", "Affected", "Suggested", "url",
	    "Confidence", "Late", "TEST", "description", NULL};

	(void)state;
	check_holds(PAYLOAD_ORDINARY, NULL, render_discord, ordinary);
	check_holds(PAYLOAD_ORDINARY, as_test, render_discord, test);
	check_holds(PAYLOAD_ORDINARY, as_late, render_discord, late);
	check_lacks(PAYLOAD_ORDINARY, just_in_time, render_discord, not_late);
	check_lacks(PAYLOAD_BARE, NULL, render_discord, left_out);
}

static void
test_hostile(void **state)
{
	static const char payload[] = "{\"event\":\"a\",\"severity\":\"low\",\"summary\":\"@"
				      "everyone <@1> **b** ||s||\\n# h\\n"
				      "-# small\\n> q `c` :smile: [a](https://e.example) \\\\\","
				      "\"url\":\"https://intranet/a.b\"}";
	static const char *const want[] = {
	    "\"description\":\"@everyone \\\\<@1> \\\\*\\\\*b\\\\*\\\\* \\\\|\\\\|s\\\\|\\\\|\\n"
	    "\\\\# h\\n\\\\-# small\\n\\\\> q \\\\`c\\\\` \\\\:smile\\\\: "
	    "\\\\[a\\\\]\\\\(https\\\\://e.example\\\\) \\\\\\\\\"",
	    /* Discord refuses a link to a host without a dot */
	    "\"name\":\"Details\",\"value\":\"https\\\\://intranet/a.b\"", NULL};

	(void)state;
	check_holds(payload, NULL, render_discord, want);
}

static void
test_url(void **state)
{
	static const char *const rows[][2] = {
	    {"https://discord.com/api/webhooks/1/t",
		"https://discord.com/api/v10/webhooks/1/t?wait=true"},
	    {"https://discord.com/api/v6/webhooks/1/t",
		"https://discord.com/api/v10/webhooks/1/t?wait=true"},
	    {"https://discord.com/api/v10/webhooks/1/t/",
		"https://discord.com/api/v10/webhooks/1/t?wait=true"},
	    {"https://ptb.discord.com:443/api/webhooks/1/t?wait=false&thread_id=9&x=1",
		"https://ptb.discord.com:443/api/v10/webhooks/1/t?wait=true&thread_id=9"},
	    {"https://discord.com/api/webhooks/1/t/slack",
		"https://discord.com/api/v10/webhooks/1/t?wait=true"},
	    {"https://discord.com/api/webhooks/1/t/github?wait=true",
		"https://discord.com/api/v10/webhooks/1/t?wait=true"},
	    {"https://discord.com/api/webhooks/...",
		"https://discord.com/api/v10/webhooks/...?wait=true"},
	    {"https://sink.example.com/discord/x", "https://sink.example.com/discord/x?wait=true"},
	    {"https://sink.example.com", "https://sink.example.com?wait=true"},
	    {"https://sink.example.com/api/vX/webhooks/1/t",
		"https://sink.example.com/api/vX/webhooks/1/t?wait=true"},
	    {"https://sink.example.com/api", "https://sink.example.com/api?wait=true"},
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 1000);
	for (i = 0; i < NELEMS(rows); i++) {
		buf_reset(&b);
		assert_int_equal(
		    render_discord_url(slice_of(rows[i][0]), slice_of(DELIVERY_ID), &b), ERR_OK);
		assert_string_equal(buf_str(&b), rows[i][1]);
	}
	buf_clear(&b);
	buf_init(&b, 10);
	assert_int_equal(
	    render_discord_url(slice_of(rows[0][0]), slice_of(DELIVERY_ID), &b), ERR_NOMEM);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_shows),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_url),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
