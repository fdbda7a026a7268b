/* The body of a create: every field and edge of contract §3, all issues at once and in body order.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "domain/channel.h"

#define CRED  "\"credentials\":{\"url\":\"https://example.com/x\"}"
#define REST  "," CRED ",\"severityThreshold\":\"high\"}"
#define EMOJI "\xf0\x9f\x98\x80"

static const struct credentials_policy policy; /* nothing opened, nothing added */

/* All that one body comes to. */
struct result {
	struct arena *arena;
	struct json *body;
	struct issues issues;
	struct channel_new out;
	char found[512];     /* "path:code path:code" */
	char messages[2048]; /* one a line */
};

static void
result_clear(struct result *r)
{
	channel_new_clear(&r->out);
	json_free(r->body);
	arena_free(r->arena);
}

static void
judge(const char *row, const char *text, struct result *r)
{
	struct json_fault fault;
	const struct issue *i;

	memset(r, 0, sizeof(*r));
	memset(&r->out, 0xee, sizeof(r->out)); /* the parser initialises it in every case */
	CHECK(row, (r->arena = arena_new()) != NULL);
	issues_init(&r->issues, r->arena);
	CHECK(row, json_parse(slice_of(text), &r->body, &fault) == ERR_OK);
	channel_new_parse(r->body, &policy, &r->issues, &r->out);
	CHECK(row, !r->issues.failed);
	for (i = r->issues.first; i != NULL; i = i->next) {
		snprintf(r->found + strlen(r->found), sizeof(r->found) - strlen(r->found),
		    "%s%s:%s", i == r->issues.first ? "" : " ", i->path, issue_code_words[i->code]);
		snprintf(r->messages + strlen(r->messages),
		    sizeof(r->messages) - strlen(r->messages), "%s\n", i->message);
	}
}

/* Judge ${text} and compare what is found, and a part of the messages where ${message} is given. */
static void
expect(const char *row, const char *text, const char *found, const char *message)
{
	struct result r;

	judge(row, text, &r);
	if (strcmp(r.found, found) != 0)
		fail_msg("%s: found \"%s\", not \"%s\"", row, r.found, found);
	if (message != NULL && strstr(r.messages, message) == NULL)
		fail_msg("%s: no \"%s\" in \"%s\"", row, message, r.messages);
	result_clear(&r);
}

/* The founding text's own examples, with their dots. */
static void
test_founding(void **state)
{
	static const struct {
		const char *type, *credentials, *destination;
		size_t nvalues;
		const char *first;
	} rows[] = {
	    {"slack", "{ \"webhookUrl\": \"https://hooks.slack.com/services/T.../B.../...\" }",
		"hooks.slack.com", 1, "https://hooks.slack.com/services/T.../B.../..."},
	    {"teams", "{ \"webhookUrl\": \"https://outlook.office.com/webhook/...\" }",
		"outlook.office.com", 1, "https://outlook.office.com/webhook/..."},
	    {"discord", "{ \"webhookUrl\": \"https://discord.com/api/webhooks/...\" }",
		"discord.com", 1, "https://discord.com/api/webhooks/..."},
	    {"google_chat",
		"{ \"webhookUrl\": \"https://chat.googleapis.com/v1/spaces/.../messages?key=...\" "
		"}",
		"chat.googleapis.com", 1,
		"https://chat.googleapis.com/v1/spaces/.../messages?key=..."},
	    {"webhook",
		"{ \"url\": \"https://example.com/sigsentry\", \"authHeader\": \"Bearer abc123\","
		" \"hmacSecret\": \"your-32-byte-secret\" }",
		"example.com", 3, "https://example.com/sigsentry"},
	    {"email", "{ \"recipients\": \"alice@example.com, bob@example.com\" }", "2 recipients",
		1, "alice@example.com,bob@example.com"},
	};
	struct result r;
	char body[1024];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(body, sizeof(body),
		    "{\"type\":\"%s\",\"name\":\"#engineering-alerts\",\"credentials\":%s,"
		    "\"severityThreshold\":\"high\"}",
		    rows[i].type, rows[i].credentials);
		judge(rows[i].type, body, &r);
		CHECK(rows[i].type, strcmp(r.found, "") == 0);
		CHECK(rows[i].type, strcmp(channel_types[r.out.type].word, rows[i].type) == 0);
		CHECK(rows[i].type, slice_eq(r.out.name, slice_of("#engineering-alerts")));
		CHECK(rows[i].type, r.out.threshold == SEVERITY_HIGH);
		CHECK(rows[i].type, r.out.credentials.nvalues == rows[i].nvalues);
		CHECK(rows[i].type, slice_eq(buf_slice(&r.out.credentials.values[0].text),
					slice_of(rows[i].first)));
		CHECK(
		    rows[i].type, strcmp(r.out.credentials.destination, rows[i].destination) == 0);
		result_clear(&r);
	}
}

/* clang-format off */
static void
test_fields(void **state)
{
	static const struct {
		const char *row, *body, *found, *message;
	} rows[] = {
		{"good", "{\"type\":\"webhook\",\"name\":\"n\"" REST, "", NULL},
		{"not an object", "[]", ":json", "must be a JSON object, not a JSON array"},
		{"a string", "\"x\"", ":json", "not a JSON string"},
		{"null", "null", ":json", "not a JSON null"},
		{"nothing there", "{}",
		    "type:required name:required credentials:required severityThreshold:required",
		    "is missing: must be one of slack, teams, discord, google_chat, webhook or email"},
		/* type */
		{"no type", "{\"name\":\"n\"" REST, "type:required", NULL},
		{"type null", "{\"type\":null,\"name\":\"n\"" REST, "type:type", "not null"},
		{"type number", "{\"type\":1,\"name\":\"n\"" REST, "type:type",
		    "must be a string, not a number"},
		{"type misspelt", "{\"type\":\"web-hook\",\"name\":\"n\"" REST, "type:enum",
		    "must be one of slack, teams, discord, google_chat, webhook or email; did you mean "
		    "\"webhook\"?"},
		{"type in capitals", "{\"type\":\"WEBHOOK\",\"name\":\"n\"" REST, "type:enum",
		    "did you mean \"webhook\"?"},
		{"type with a blank", "{\"type\":\"webhook \",\"name\":\"n\"" REST, "type:enum", NULL},
		{"type empty", "{\"type\":\"\",\"name\":\"n\"" REST, "type:enum", NULL},
		{"type far off", "{\"type\":\"pagerduty\",\"name\":\"n\"" REST, "type:enum",
		    "must be one of slack, teams, discord, google_chat, webhook or email\n"},
		/* name */
		{"no name", "{\"type\":\"webhook\"" REST, "name:required", "1 to 255"},
		{"name null", "{\"type\":\"webhook\",\"name\":null" REST, "name:type", "not null"},
		{"name array", "{\"type\":\"webhook\",\"name\":[\"n\"]" REST, "name:type", "an array"},
		{"name boolean", "{\"type\":\"webhook\",\"name\":true" REST, "name:type", "a boolean"},
		{"name empty", "{\"type\":\"webhook\",\"name\":\"\"" REST, "name:length", "not 0"},
		{"name blank", "{\"type\":\"webhook\",\"name\":\"  \"" REST, "", NULL},
		{"name C0", "{\"type\":\"webhook\",\"name\":\"a\\nb\"" REST, "name:format", NULL},
		{"name U+0001", "{\"type\":\"webhook\",\"name\":\"\\u0001\"" REST, "name:format", NULL},
		{"name U+001F", "{\"type\":\"webhook\",\"name\":\"\\u001f\"" REST, "name:format", NULL},
		{"name DEL", "{\"type\":\"webhook\",\"name\":\"a\x7f\"" REST, "name:format", NULL},
		{"name U+0080", "{\"type\":\"webhook\",\"name\":\"\\u0080\"" REST, "name:format", NULL},
		{"name U+0085", "{\"type\":\"webhook\",\"name\":\"\xc2\x85\"" REST, "name:format", NULL},
		{"name U+009F", "{\"type\":\"webhook\",\"name\":\"a\\u009f\"" REST, "name:format", NULL},
		{"name U+00A0", "{\"type\":\"webhook\",\"name\":\"\\u00a0\"" REST, "", NULL},
		{"name tilde", "{\"type\":\"webhook\",\"name\":\"~\"" REST, "", NULL},
		{"name emoji", "{\"type\":\"webhook\",\"name\":\"" EMOJI "\\ud83d\\ude00\"" REST, "", NULL},
		/* credentials */
		{"no credentials", "{\"type\":\"webhook\",\"name\":\"n\",\"severityThreshold\":\"low\"}",
		    "credentials:required", "an object with url"},
		{"no credentials of e-mail",
		    "{\"type\":\"email\",\"name\":\"n\",\"severityThreshold\":\"low\"}",
		    "credentials:required", "an object with recipients"},
		{"credentials null",
		    "{\"type\":\"webhook\",\"name\":\"n\",\"credentials\":null,\"severityThreshold\":\"low\"}",
		    "credentials:type", "must be an object, not null"},
		{"credentials string",
		    "{\"type\":\"slack\",\"name\":\"n\",\"credentials\":\"https://x\",\"severityThreshold\":\"low\"}",
		    "credentials:type", "must be an object, not a string"},
		{"credentials before type",
		    "{\"credentials\":{\"webhookUrl\":\"https://discord.com/api/webhooks/1/a\"},"
		    "\"severityThreshold\":\"low\",\"name\":\"n\",\"type\":\"discord\"}",
		    "", NULL},
		{"bad credentials before type",
		    "{\"credentials\":{\"webhookUrl\":\"https://discord.com/api/webhooks/1/a\"},"
		    "\"severityThreshold\":\"low\",\"name\":\"n\",\"type\":\"slack\"}",
		    "credentials.webhookUrl:host", "of Slack"},
		{"credentials of an unknown type",
		    "{\"type\":\"slac\",\"name\":\"n\",\"credentials\":{\"anything\":1},"
		    "\"severityThreshold\":\"low\"}",
		    "type:enum", "did you mean \"slack\"?"},
		{"credentials of an unknown type, no object",
		    "{\"type\":7,\"name\":\"n\",\"credentials\":[],\"severityThreshold\":\"low\"}",
		    "type:type credentials:type", "must be an object, not an array"},
		{"credentials of no type, no object",
		    "{\"name\":\"n\",\"credentials\":1,\"severityThreshold\":\"low\"}",
		    "credentials:type type:required", NULL},
		/* severityThreshold */
		{"no threshold", "{\"type\":\"webhook\",\"name\":\"n\"," CRED "}",
		    "severityThreshold:required", "is missing: must be one of critical, high, medium or low\n"},
		{"threshold null", "{\"type\":\"webhook\",\"name\":\"n\"," CRED ",\"severityThreshold\":null}",
		    "severityThreshold:type", "must be a string, not null"},
		{"threshold number", "{\"type\":\"webhook\",\"name\":\"n\"," CRED ",\"severityThreshold\":2}",
		    "severityThreshold:type", "must be a string, not a number"},
		{"threshold info",
		    "{\"type\":\"webhook\",\"name\":\"n\"," CRED ",\"severityThreshold\":\"info\"}",
		    "severityThreshold:enum", "info events go to no channel"},
		{"threshold misspelt",
		    "{\"type\":\"webhook\",\"name\":\"n\"," CRED ",\"severityThreshold\":\"Critical\"}",
		    "severityThreshold:enum",
		    "must be one of critical, high, medium or low; did you mean \"critical\"?"},
		{"threshold empty", "{\"type\":\"webhook\",\"name\":\"n\"," CRED ",\"severityThreshold\":\"\"}",
		    "severityThreshold:enum", NULL},
		/* unknown fields */
		{"near", "{\"type\":\"webhook\",\"name\":\"n\",\"severity_treshold\":\"low\"" REST,
		    "severity_treshold:unknown", "did you mean \"severityThreshold\"?"},
		{"far", "{\"isActive\":true,\"type\":\"webhook\",\"name\":\"n\"" REST, "isActive:unknown",
		    "use type, name, credentials or severityThreshold"},
		{"capitals", "{\"Type\":\"webhook\",\"type\":\"webhook\",\"name\":\"n\"" REST, "Type:unknown",
		    "did you mean \"type\"?"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		expect(rows[i].row, rows[i].body, rows[i].found, rows[i].message);
}
/* clang-format on */

/* All at once: in body order, unknown ones at their place, missing ones last in table order. */
static void
test_order(void **state)
{
	(void)state;
	expect("all wrong",
	    "{\"severityThreshold\":\"none\",\"x\":1,\"credentials\":{\"hmacSecret\":\"\","
	    "\"zebra\":2,\"authHeader\":\" \",\"url\":\"http://example.com\"},\"name\":7,"
	    "\"y\":2,\"type\":\"webhook\"}",
	    "severityThreshold:enum x:unknown credentials.hmacSecret:length "
	    "credentials.zebra:unknown credentials.authHeader:format credentials.url:format "
	    "name:type y:unknown",
	    NULL);
	expect("missing last", "{\"credentials\":{\"authHeader\":5},\"z\":0,\"type\":\"webhook\"}",
	    "credentials.authHeader:type credentials.url:required z:unknown name:required "
	    "severityThreshold:required",
	    NULL);
	expect(
	    "the rest is good", "{\"name\":\"\\n\",\"type\":\"webhook\"" REST, "name:format", NULL);
}

/* The name is counted in code points, whatever bytes they take. */
static void
test_name_length(void **state)
{
	static const struct {
		const char *unit;
		size_t n;
		const char *found;
	} rows[] = {
	    {"a", 1, ""},
	    {"a", 255, ""},
	    {"a", 256, "name:length"},
	    {"\xc3\xa9", 255, ""},
	    {"\xc3\xa9", 256, "name:length"},
	    {EMOJI, 255, ""},
	    {EMOJI, 256, "name:length"},
	    {"\\ud83d\\ude00", 255, ""},
	    {"\\ud83d\\ude00", 256, "name:length"},
	    {"\\u0001", 256, "name:length name:format"},
	};
	char name[256 * 12 + 1], body[sizeof(name) + 256], row[64];
	size_t i, j;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		name[0] = '\0';
		for (j = 0; j < rows[i].n; j++)
			strcat(name, rows[i].unit);
		snprintf(body, sizeof(body), "{\"type\":\"webhook\",\"name\":\"%s\"" REST, name);
		snprintf(row, sizeof(row), "%zu of %s", rows[i].n, rows[i].unit);
		expect(row, body, rows[i].found, NULL);
	}
}

/* What was sent never stands in a message, and the log sees no name of the sender's. */
static void
test_no_echo(void **state)
{
	static const char *const bodies[] = {
	    "{\"type\":\"CANARY\",\"name\":\"CANARY\\n\",\"severityThreshold\":\"CANARY\","
	    "\"credentials\":\"CANARY\"}",
	    "{\"type\":\"webhook\",\"credentials\":{\"url\":\"https://CANARY:CANARY@h/CANARY\","
	    "\"authHeader\":\" CANARY\\n\",\"hmacSecret\":[\"CANARY\"]}}",
	    "{\"type\":\"email\",\"credentials\":{\"recipients\":\"CANARY, CANARY@x\"}}",
	    "{\"type\":\"email\",\"credentials\":{\"recipients\":[\"CANARY\", \"CANARY@x\", "
	    "\"\"]}}",
	    "{\"type\":\"slack\",\"credentials\":{\"webhookUrl\":\"https://CANARY/CANARY\"}}",
	    "{\"type\":\"slack\",\"credentials\":{\"webhookUrl\":\"https://hooks.slack.com/"
	    "CANARY\"}}",
	    "{\"type\":\"slack\",\"CANARY\":\"CANARY\",\"credentials\":{\"CANARY\":\"CANARY\"}}",
	};
	struct result r;
	struct buf log;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(bodies); i++) {
		judge(bodies[i], bodies[i], &r);
		CHECK(bodies[i], r.issues.count >= 2);
		CHECK(bodies[i], strstr(r.messages, "CANARY") == NULL);
		buf_init(&log, 4096);
		issues_log_words(&r.issues, &log);
		CHECK(bodies[i], strlen(buf_str(&log)) > 0);
		CHECK(bodies[i], strstr(buf_str(&log), "CANARY") == NULL);
		buf_clear(&log);
		result_clear(&r);
	}
}

/* The worst that 64 KiB can hold ends as a bounded list. */
static void
test_flood(void **state)
{
	enum { BODY = 65536 };
	static char body[BODY + 256];
	struct result r;
	size_t n;
	int i;

	(void)state;
	n = (size_t)snprintf(
	    body, sizeof(body), "{\"type\":\"email\",\"credentials\":{\"recipients\":\"");
	memset(body + n, ',', BODY - n);
	snprintf(body + BODY, sizeof(body) - BODY, "\"}}");
	judge("commas", body, &r);
	CHECK("commas", r.issues.count == ISSUES_MAX + 1);
	result_clear(&r);
	n = (size_t)snprintf(body, sizeof(body), "{\"type\":\"email\"");
	for (i = 0; n < BODY; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, ",\"%x\":0", (unsigned int)i);
	snprintf(body + n, sizeof(body) - n, "}");
	judge("unknown fields", body, &r);
	CHECK("unknown fields", r.issues.count == ISSUES_MAX + 1);
	result_clear(&r);
}

static void
test_table(void **state)
{
	static const char *const words[] = {
	    "slack", "teams", "discord", "google_chat", "webhook", "email"};
	enum channel_type type;
	const char *row;
	size_t i, n;

	(void)state;
	CHECK("six types", NELEMS(words) == CHANNEL__MAX);
	for (i = 0; i < NELEMS(words); i++) {
		row = words[i];
		CHECK(row, strcmp(channel_types[i].word, row) == 0);
		CHECK(row, strcmp(channel_type_words[i], row) == 0);
		CHECK(row, channel_type_parse(slice_of(row), &type) == ERR_OK && type == i);
		CHECK(row, channel_types[i].title != NULL);
		CHECK(row, channel_types[i].fields[0].required);
		for (n = 0; channel_types[i].fields[n].name != NULL; n++)
			CHECK(row, channel_types[i].fields[n].check != NULL);
		CHECK(row, n <= CREDENTIALS_FIELDS_MAX);
	}
	CHECK("no type", channel_type_parse(slice_of("Slack"), &type) == ERR_INVALID);
	CHECK("absent", channel_type_parse(slice_of(NULL), &type) == ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_founding),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_name_length),
	    cmocka_unit_test(test_no_echo),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_table),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
