/* What an answer means, by type of channel: the tables of contract §5 and platforms.md, row by row.
 */
#include "check.h"

#include <string.h>

#include "domain/backoff.h"
#include "domain/outcome.h"

#define S   INT64_C(1000)
#define NOW INT64_C(1795550400000) /* 2026-11-24T20:00:00Z */

static struct outcome_finding
classify(enum channel_type type, const struct outcome_answer *a)
{
	struct outcome_finding f;

	memset(&f, 0xee, sizeof(f));
	outcome_classify(type, a, NOW, &f);
	return (f);
}

/* clang-format off */

/* Every type by status alone. */
static void
http_statuses(void **state)
{
	static const struct {
		int status;
		enum outcome platform, webhook;
	} rows[] = {
		{200, OUTCOME_OK, OUTCOME_OK}, {201, OUTCOME_OK, OUTCOME_OK}, {202, OUTCOME_OK, OUTCOME_OK},
		{204, OUTCOME_OK, OUTCOME_OK}, {299, OUTCOME_OK, OUTCOME_OK},
		{101, OUTCOME_REFUSED, OUTCOME_RETRY}, {300, OUTCOME_REFUSED, OUTCOME_RETRY},
		{301, OUTCOME_REFUSED, OUTCOME_RETRY}, {302, OUTCOME_REFUSED, OUTCOME_RETRY},
		{307, OUTCOME_REFUSED, OUTCOME_RETRY}, {308, OUTCOME_REFUSED, OUTCOME_RETRY},
		{400, OUTCOME_REFUSED, OUTCOME_RETRY}, {401, OUTCOME_REFUSED, OUTCOME_RETRY},
		{402, OUTCOME_REFUSED, OUTCOME_RETRY}, {403, OUTCOME_REFUSED, OUTCOME_RETRY},
		{404, OUTCOME_REFUSED, OUTCOME_RETRY}, {405, OUTCOME_REFUSED, OUTCOME_RETRY},
		{408, OUTCOME_RETRY, OUTCOME_RETRY}, {409, OUTCOME_REFUSED, OUTCOME_RETRY},
		{410, OUTCOME_GONE, OUTCOME_GONE}, {413, OUTCOME_REFUSED, OUTCOME_RETRY},
		{415, OUTCOME_REFUSED, OUTCOME_RETRY}, {422, OUTCOME_REFUSED, OUTCOME_RETRY},
		{425, OUTCOME_RETRY, OUTCOME_RETRY}, {429, OUTCOME_RETRY, OUTCOME_RETRY},
		{500, OUTCOME_RETRY, OUTCOME_RETRY}, {501, OUTCOME_RETRY, OUTCOME_RETRY},
		{502, OUTCOME_RETRY, OUTCOME_RETRY}, {503, OUTCOME_RETRY, OUTCOME_RETRY},
		{504, OUTCOME_RETRY, OUTCOME_RETRY}, {599, OUTCOME_RETRY, OUTCOME_RETRY},
		{999, OUTCOME_REFUSED, OUTCOME_RETRY},
	};
	struct outcome_answer a = {.way = OUTCOME_WAY_ANSWERED};
	struct outcome_finding f;
	unsigned int type;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		for (type = 0; type < CHANNEL_EMAIL; type++) {
			a.status = rows[i].status;
			a.body = slice_of(type == CHANNEL_SLACK && a.status == 200 ? "ok" : "");
			f = classify((enum channel_type)type, &a);
			if (type == CHANNEL_SLACK && a.status / 100 == 2 && a.status != 200)
				assert_int_equal(f.outcome, OUTCOME_REFUSED);
			else if (f.outcome != (type == CHANNEL_WEBHOOK ? rows[i].webhook : rows[i].platform))
				fail_msg("type %u, %d: %s", type, a.status, outcome_words[f.outcome]);
			assert_true((f.reason[0] == '\0') == (f.outcome == OUTCOME_OK));
			assert_int_equal(f.wait_ms, 0);
		}
	}
}

/* What their bodies say beyond the status. */
static void
http_bodies(void **state)
{
	static const struct {
		enum channel_type type;
		int status;
		const char *host, *body;
		enum outcome outcome;
		const char *reason; /* a part of it */
	} rows[] = {
		{CHANNEL_SLACK, 200, NULL, "ok", OUTCOME_OK, ""},
		{CHANNEL_SLACK, 200, NULL, "ok\n", OUTCOME_REFUSED, "ok"},
		{CHANNEL_SLACK, 200, NULL, "", OUTCOME_REFUSED, "ok"},
		{CHANNEL_SLACK, 200, NULL, "<html>", OUTCOME_REFUSED, "ok"},
		{CHANNEL_SLACK, 201, NULL, "ok", OUTCOME_REFUSED, "ok"},
		{CHANNEL_SLACK, 500, NULL, "ok", OUTCOME_RETRY, "500"},
		{CHANNEL_SLACK, 200, NULL, "no_service", OUTCOME_GONE, "no_service"},
		{CHANNEL_SLACK, 200, NULL, "channel_is_archived", OUTCOME_REFUSED, "ok"},
		{CHANNEL_SLACK, 400, NULL, "invalid_payload", OUTCOME_REFUSED, "invalid_payload"},
		{CHANNEL_SLACK, 400, NULL, "invalid_blocks", OUTCOME_REFUSED, "invalid_blocks"},
		{CHANNEL_SLACK, 400, NULL, "no_text", OUTCOME_REFUSED, "no_text"},
		{CHANNEL_SLACK, 400, NULL, "user_not_found", OUTCOME_REFUSED, "user_not_found"},
		{CHANNEL_SLACK, 400, NULL, "too_many_attachments", OUTCOME_REFUSED, "too_many"},
		{CHANNEL_SLACK, 400, NULL, "missing_text_or_fallback_or_attachments", OUTCOME_REFUSED, "missing_text"},
		{CHANNEL_SLACK, 400, NULL, "invalid_attachments", OUTCOME_REFUSED, "invalid_attachments"},
		{CHANNEL_SLACK, 403, NULL, "action_prohibited", OUTCOME_REFUSED, "action_prohibited"},
		{CHANNEL_SLACK, 403, NULL, "invalid_token", OUTCOME_REFUSED, "revoked"},
		{CHANNEL_SLACK, 403, NULL, "posting_to_general_channel_denied", OUTCOME_REFUSED, "general"},
		{CHANNEL_SLACK, 403, NULL, "team_disabled", OUTCOME_REFUSED, "team_disabled"},
		{CHANNEL_SLACK, 404, NULL, "channel_not_found", OUTCOME_REFUSED, "channel_not_found"},
		{CHANNEL_SLACK, 404, NULL, "no_service", OUTCOME_GONE, "no_service"},
		{CHANNEL_SLACK, 404, NULL, "no_service\r\n", OUTCOME_GONE, "no_service"},
		{CHANNEL_SLACK, 403, NULL, "no_service", OUTCOME_GONE, "no_service"},
		{CHANNEL_SLACK, 404, NULL, "{\"ok\":false,\"error\":\"no_active_hooks\"}", OUTCOME_GONE, "no_active_hooks"},
		{CHANNEL_SLACK, 404, NULL, "no_service_id", OUTCOME_REFUSED, "no_service_id"},
		{CHANNEL_SLACK, 404, NULL, "no_team", OUTCOME_REFUSED, "no_team"},
		{CHANNEL_SLACK, 404, NULL, "no_active_hooks", OUTCOME_GONE, "no_active_hooks"},
		{CHANNEL_SLACK, 404, NULL, "no_service here", OUTCOME_REFUSED, "404"},
		{CHANNEL_SLACK, 410, NULL, "channel_is_archived", OUTCOME_GONE, "channel_is_archived"},
		{CHANNEL_SLACK, 429, NULL, "{\"retry_after\":1,\"ok\":false,\"error\":\"rate_limited\"}", OUTCOME_RETRY, "429"},
		{CHANNEL_SLACK, 500, NULL, "rollup_error", OUTCOME_RETRY, "rollup_error"},
		{CHANNEL_SLACK, 400, NULL, "rollup_error", OUTCOME_RETRY, "rollup_error"},

		{CHANNEL_TEAMS, 202, "x.webhook.office.com", "1", OUTCOME_OK, ""},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "1", OUTCOME_OK, ""},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "", OUTCOME_REFUSED, "not \"1\""},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "11", OUTCOME_REFUSED, "not \"1\""},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "Webhook message delivery failed with error: Microsoft "
		    "Teams endpoint returned HTTP error 429 with ContextId tcid=1", OUTCOME_RETRY, "429"},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "Webhook message delivery failed with error: Microsoft "
		    "Teams endpoint returned HTTP error 413 with ContextId tcid=1", OUTCOME_REFUSED, "413"},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "returned HTTP error 503", OUTCOME_RETRY, "503"},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "returned HTTP error 5", OUTCOME_REFUSED, "not \"1\""},
		{CHANNEL_TEAMS, 200, "x.webhook.office.com", "returned HTTP error 200", OUTCOME_REFUSED, "not \"1\""},
		{CHANNEL_TEAMS, 500, "x.webhook.office.com", "1", OUTCOME_RETRY, "500"},
		{CHANNEL_TEAMS, 200, "outlook.office.com", "", OUTCOME_OK, ""},
		{CHANNEL_TEAMS, 202, "x.environment.api.powerplatform.com", "", OUTCOME_OK, ""},
		{CHANNEL_TEAMS, 200, "x.environment.api.powerplatform.com", "HTTP error 429", OUTCOME_OK, ""},
		{CHANNEL_TEAMS, 401, NULL, "{\"error\":{\"code\":\"DirectApiAuthorizationRequired\"}}", OUTCOME_REFUSED, "Anyone"},
		{CHANNEL_TEAMS, 403, NULL, "", OUTCOME_REFUSED, "Anyone"},
		{CHANNEL_TEAMS, 404, NULL, "", OUTCOME_REFUSED, "deleted"},

		{CHANNEL_DISCORD, 204, NULL, "", OUTCOME_OK, ""},
		{CHANNEL_DISCORD, 200, NULL, "{\"id\":\"1\",\"code\":10015}", OUTCOME_OK, ""},
		{CHANNEL_DISCORD, 400, NULL, "{\"code\":50035,\"message\":\"Invalid Form Body\"}", OUTCOME_REFUSED, "50035"},
		{CHANNEL_DISCORD, 400, NULL, "{\"code\":220001}", OUTCOME_REFUSED, "thread_id"},
		{CHANNEL_DISCORD, 401, NULL, "{\"code\":50027}", OUTCOME_REFUSED, "token"},
		{CHANNEL_DISCORD, 404, NULL, "{\"message\": \"Unknown Webhook\", \"code\": 10015}", OUTCOME_GONE, "10015"},
		{CHANNEL_DISCORD, 404, NULL, "{\"code\":10003}", OUTCOME_REFUSED, "10003"},
		{CHANNEL_DISCORD, 404, NULL, "{\"code\":10015", OUTCOME_REFUSED, "404"}, /* cut off: not to be trusted */
		{CHANNEL_DISCORD, 404, NULL, "{\"code\":\"10015\"}", OUTCOME_REFUSED, "404"},
		{CHANNEL_DISCORD, 404, NULL, "<html>Cloudflare</html>", OUTCOME_REFUSED, "404"},
		{CHANNEL_DISCORD, 429, NULL, "{\"code\":50035,\"retry_after\":1}", OUTCOME_RETRY, "429"},

		{CHANNEL_GOOGLE_CHAT, 200, NULL, "{\"name\":\"spaces/a/messages/b\"}", OUTCOME_OK, ""},
		{CHANNEL_GOOGLE_CHAT, 429, NULL, "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\"}}", OUTCOME_RETRY, "429"},
		{CHANNEL_GOOGLE_CHAT, 404, NULL, "{\"error\":{\"status\":\"NOT_FOUND\"}}", OUTCOME_REFUSED, "404"},

		{CHANNEL_WEBHOOK, 404, NULL, "no_service", OUTCOME_RETRY, "404"},
		{CHANNEL_WEBHOOK, 404, NULL, "{\"code\":10015}", OUTCOME_RETRY, "404"},
		{CHANNEL_WEBHOOK, 200, "x.webhook.office.com", "", OUTCOME_OK, ""},
	};
	struct outcome_answer a;
	struct outcome_finding f;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		a = (struct outcome_answer){.way = OUTCOME_WAY_ANSWERED, .status = rows[i].status,
		    .host = slice_of(rows[i].host), .body = slice_of(rows[i].body)};
		f = classify(rows[i].type, &a);
		if (f.outcome != rows[i].outcome || strstr(f.reason, rows[i].reason) == NULL)
			fail_msg("row %zu, %d %s: %s, \"%s\"", i, rows[i].status, rows[i].body,
			    outcome_words[f.outcome], f.reason);
	}
}

/* No answer: timeouts, connection, TLS and name errors retry everywhere; the policy's no is final. */
static void
ways(void **state)
{
	static const enum outcome rows[OUTCOME_WAY__MAX] = {
		[OUTCOME_WAY_ANSWERED] = OUTCOME_RETRY, /* with a status of 0 */
		[OUTCOME_WAY_NAME] = OUTCOME_RETRY,
		[OUTCOME_WAY_CONNECT] = OUTCOME_RETRY,
		[OUTCOME_WAY_TLS] = OUTCOME_RETRY,
		[OUTCOME_WAY_CERTIFICATE] = OUTCOME_RETRY,
		[OUTCOME_WAY_TIMEOUT] = OUTCOME_RETRY,
		[OUTCOME_WAY_CUT] = OUTCOME_RETRY,
		[OUTCOME_WAY_LARGE] = OUTCOME_RETRY,
		[OUTCOME_WAY_EGRESS] = OUTCOME_REFUSED,
		[OUTCOME_WAY_PROXY] = OUTCOME_LOCAL,
		[OUTCOME_WAY_SELF] = OUTCOME_LOCAL,
	};
	struct outcome_answer a = {.retry_after = SLICE_LIT("30")};
	struct outcome_finding f;
	unsigned int type, way;

	(void)state;
	for (way = 0; way < OUTCOME_WAY__MAX; way++) {
		assert_non_null(outcome_way_words[way]);
		for (type = 0; type < CHANNEL_EMAIL; type++) {
			a.way = (enum outcome_way)way;
			/* of a broken answer the status does not count: it was not whole */
			a.status = way == OUTCOME_WAY_ANSWERED ? 0 : 200;
			f = classify((enum channel_type)type, &a);
			CHECK(outcome_way_words[way], f.outcome == rows[way]);
			CHECK(outcome_way_words[way], f.reason[0] != '\0' && f.wait_ms == 0);
		}
	}
}

static void
smtp_replies(void **state)
{
	static const struct {
		enum outcome_step step;
		int code;
		enum outcome outcome;
	} rows[] = {
		{OUTCOME_STEP_MESSAGE, 250, OUTCOME_OK},
		{OUTCOME_STEP_CONNECT, 554, OUTCOME_LOCAL},
		{OUTCOME_STEP_CONNECT, 421, OUTCOME_LOCAL},
		{OUTCOME_STEP_EHLO, 550, OUTCOME_LOCAL},
		{OUTCOME_STEP_STARTTLS, 454, OUTCOME_LOCAL},
		{OUTCOME_STEP_AUTH, 535, OUTCOME_LOCAL},
		{OUTCOME_STEP_AUTH, 454, OUTCOME_LOCAL},
		{OUTCOME_STEP_MAIL, 432, OUTCOME_LOCAL},
		{OUTCOME_STEP_MAIL, 454, OUTCOME_LOCAL},
		{OUTCOME_STEP_MAIL, 530, OUTCOME_LOCAL},
		{OUTCOME_STEP_MAIL, 550, OUTCOME_LOCAL},
		{OUTCOME_STEP_MAIL, 451, OUTCOME_LOCAL},
		{OUTCOME_STEP_MAIL, 552, OUTCOME_REFUSED},
		{OUTCOME_STEP_RCPT, 530, OUTCOME_LOCAL},
		{OUTCOME_STEP_RCPT, 535, OUTCOME_LOCAL},
		{OUTCOME_STEP_RCPT, 538, OUTCOME_LOCAL},
		{OUTCOME_STEP_RCPT, 432, OUTCOME_RETRY}, /* of this recipient, perhaps */
		{OUTCOME_STEP_RCPT, 454, OUTCOME_RETRY},
		{OUTCOME_STEP_RCPT, 421, OUTCOME_RETRY},
		{OUTCOME_STEP_RCPT, 450, OUTCOME_RETRY},
		{OUTCOME_STEP_RCPT, 451, OUTCOME_RETRY},
		{OUTCOME_STEP_RCPT, 452, OUTCOME_RETRY},
		{OUTCOME_STEP_RCPT, 550, OUTCOME_REFUSED},
		{OUTCOME_STEP_RCPT, 551, OUTCOME_REFUSED},
		{OUTCOME_STEP_RCPT, 552, OUTCOME_REFUSED},
		{OUTCOME_STEP_RCPT, 553, OUTCOME_REFUSED},
		{OUTCOME_STEP_RCPT, 554, OUTCOME_REFUSED},
		{OUTCOME_STEP_RCPT, 250, OUTCOME_RETRY}, /* accepted, but nothing was sent */
		{OUTCOME_STEP_DATA, 451, OUTCOME_RETRY},
		{OUTCOME_STEP_DATA, 503, OUTCOME_REFUSED},
		{OUTCOME_STEP_MESSAGE, 452, OUTCOME_RETRY},
		{OUTCOME_STEP_MESSAGE, 552, OUTCOME_REFUSED},
		{OUTCOME_STEP_MESSAGE, 554, OUTCOME_REFUSED},
	};
	struct outcome_answer a = {.way = OUTCOME_WAY_ANSWERED};
	struct outcome_finding f;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		a.step = rows[i].step;
		a.status = rows[i].code;
		f = classify(CHANNEL_EMAIL, &a);
		if (f.outcome != rows[i].outcome)
			fail_msg("%d to %s: %s", a.status, outcome_step_words[a.step], outcome_words[f.outcome]);
		assert_true((f.reason[0] == '\0') == (f.outcome == OUTCOME_OK));
	}
}

/* A relay that is away is our own fault; one that breaks off over a message may be the message's. */
static void
smtp_ways(void **state)
{
	unsigned int way, step;
	struct outcome_answer a = {.status = 0};
	enum outcome want;

	(void)state;
	for (way = 0; way < OUTCOME_WAY__MAX; way++) {
		for (step = 0; step < OUTCOME_STEP__MAX; step++) {
			a.way = (enum outcome_way)way;
			a.step = (enum outcome_step)step;
			want = step >= OUTCOME_STEP_RCPT && way != OUTCOME_WAY_PROXY && way != OUTCOME_WAY_SELF ?
			    OUTCOME_RETRY : OUTCOME_LOCAL;
			CHECK(outcome_way_words[way], classify(CHANNEL_EMAIL, &a).outcome == want);
		}
	}
}

static void
waits(void **state)
{
	static const struct {
		const char *row;
		enum channel_type type;
		int status;
		const char *retry_after, *body, *remaining, *reset_after;
		int64_t wait_ms;
	} rows[] = {
		{"seconds", CHANNEL_WEBHOOK, 503, "120", NULL, NULL, NULL, 120 * S},
		{"a date", CHANNEL_WEBHOOK, 429, "Tue, 24 Nov 2026 20:05:00 GMT", NULL, NULL, NULL, 300 * S},
		{"any failure may ask", CHANNEL_WEBHOOK, 404, "7", NULL, NULL, NULL, 7 * S},
		{"at most a day", CHANNEL_TEAMS, 429, "604800", NULL, NULL, NULL, BACKOFF_WAIT_MAX_MS},
		{"none when gone", CHANNEL_WEBHOOK, 410, "7", NULL, NULL, NULL, 0},
		{"Slack, both", CHANNEL_SLACK, 429, "30", "{\"retry_after\":1,\"error\":\"rate_limited\"}", NULL, NULL, 30 * S},
		{"Slack, body", CHANNEL_SLACK, 429, NULL, "{\"retry_after\":1,\"error\":\"rate_limited\"}", NULL, NULL, 1 * S},
		{"Discord, decimal", CHANNEL_DISCORD, 429, NULL, "{\"message\":\"x\",\"retry_after\":64.57,\"global\":false}",
		    NULL, NULL, 64570},
		{"Discord, the longer", CHANNEL_DISCORD, 429, "65", "{\"retry_after\":64.57}", NULL, NULL, 65 * S},
		{"Discord, as text", CHANNEL_DISCORD, 429, NULL, "{\"retry_after\":\"64\"}", NULL, NULL, 0},
		{"Discord, negative", CHANNEL_DISCORD, 429, NULL, "{\"retry_after\":-1}", NULL, NULL, 0},
		{"Discord, absurd", CHANNEL_DISCORD, 429, NULL, "{\"retry_after\":1e99}", NULL, NULL, BACKOFF_WAIT_MAX_MS},
		{"Discord behind Cloudflare", CHANNEL_DISCORD, 429, "9", "<html>", NULL, NULL, 9 * S},
		{"Discord, empty bucket after a success", CHANNEL_DISCORD, 200, NULL, "{}", "0", "1.5", 2 * S},
		{"Discord, bucket with some", CHANNEL_DISCORD, 200, NULL, "{}", "1", "1.5", 0},
		{"Discord, bucket without a time", CHANNEL_DISCORD, 200, NULL, "{}", "0", NULL, 0},
		{"a webhook's JSON is its own", CHANNEL_WEBHOOK, 429, NULL, "{\"retry_after\":64}", NULL, NULL, 0},
		{"nobody else has buckets", CHANNEL_WEBHOOK, 200, NULL, NULL, "0", "5", 0},
	};
	struct outcome_answer a;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		a = (struct outcome_answer){.way = OUTCOME_WAY_ANSWERED, .status = rows[i].status,
		    .body = slice_of(rows[i].body), .retry_after = slice_of(rows[i].retry_after),
		    .rate_remaining = slice_of(rows[i].remaining),
		    .rate_reset_after = slice_of(rows[i].reset_after)};
		CHECK(rows[i].row, classify(rows[i].type, &a).wait_ms == rows[i].wait_ms);
	}
}

/* The reason must be safe to keep and to log: nothing of the answer gets into it. */
static void
reasons_quote_nothing(void **state)
{
	struct outcome_answer a = {.body = SLICE_LIT("canary"), .retry_after = SLICE_LIT("canary"),
	    .host = SLICE_LIT("canary.webhook.office.com")};
	unsigned int type, way;
	int status;

	(void)state;
	for (type = 0; type < CHANNEL__MAX; type++) {
		for (way = 0; way < OUTCOME_WAY__MAX; way++) {
			for (status = 0; status < 700; status += 10) {
				a.way = (enum outcome_way)way;
				a.status = status;
				assert_null(strstr(classify((enum channel_type)type, &a).reason, "canary"));
			}
		}
	}
}
/* clang-format on */

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_statuses),
	    cmocka_unit_test(http_bodies),
	    cmocka_unit_test(ways),
	    cmocka_unit_test(smtp_replies),
	    cmocka_unit_test(smtp_ways),
	    cmocka_unit_test(waits),
	    cmocka_unit_test(reasons_quote_nothing),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
