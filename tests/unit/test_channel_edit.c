/* The bodies of PUT and PATCH: every field and edge of contract §3 "Update", by the channel's type.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "domain/channel_edit.h"

static const struct credentials_policy policy; /* nothing opened, nothing added */

#define SHOWN                                                                                      \
	"{\"id\":\"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a\",\"type\":\"webhook\",\"name\":\"n\","    \
	"\"severityThreshold\":\"high\",\"isActive\":false,\"disabledReason\":{\"code\":\"gone\"," \
	"\"message\":\"m\",\"at\":\"2026-01-01T00:00:00.000Z\"},\"scope\":\"project\","            \
	"\"destination\":\"example.com\",\"failingSince\":\"2026-01-01T00:00:00.000Z\","           \
	"\"createdAt\":\"2026-01-01T00:00:00.000Z\","                                              \
	"\"updatedAt\":\"2026-01-02T00:00:00.000Z\"}"

/* All that one body comes to. */
struct result {
	struct arena *arena;
	struct json *body;
	struct issues issues;
	struct channel_edit out;
	char found[512];     /* "path:code path:code" */
	char messages[2048]; /* one a line */
};

static void
result_clear(struct result *r)
{
	channel_edit_clear(&r->out);
	json_free(r->body);
	arena_free(r->arena);
}

/* Judge ${text} for a channel of ${type} that has the credential fields ${has}. */
static void
judge(enum channel_type type, const char *has, bool is_part, const char *text, struct result *r)
{
	struct channel_current current = {.type = type, .shown = slice_of(SHOWN)};
	struct json_fault fault;
	const struct issue *i;

	channel_current_fields(&current, slice_of(has));
	memset(r, 0, sizeof(*r));
	memset(&r->out, 0xee, sizeof(r->out)); /* the parser initialises it in every case */
	CHECK(text, (r->arena = arena_new()) != NULL);
	issues_init(&r->issues, r->arena);
	CHECK(text, json_parse(slice_of(text), &r->body, &fault) == ERR_OK);
	channel_edit_parse(r->body, &current, is_part, &policy, &r->issues, &r->out);
	CHECK(text, !r->issues.failed);
	for (i = r->issues.first; i != NULL; i = i->next) {
		snprintf(r->found + strlen(r->found), sizeof(r->found) - strlen(r->found),
		    "%s%s:%s", i == r->issues.first ? "" : " ", i->path, issue_code_words[i->code]);
		snprintf(r->messages + strlen(r->messages),
		    sizeof(r->messages) - strlen(r->messages), "%s\n", i->message);
	}
}

/* A body and what is wrong with it. */
struct row {
	const char *text, *found, *message;
};

static void
expect(const struct row *rows, size_t nrows, enum channel_type type, const char *has, bool is_part)
{
	struct result r;
	size_t i;

	for (i = 0; i < nrows; i++) {
		judge(type, has, is_part, rows[i].text, &r);
		if (strcmp(r.found, rows[i].found) != 0)
			fail_msg(
			    "%s: found \"%s\", not \"%s\"", rows[i].text, r.found, rows[i].found);
		if (rows[i].message != NULL && strstr(r.messages, rows[i].message) == NULL)
			fail_msg(
			    "%s: no \"%s\" in \"%s\"", rows[i].text, rows[i].message, r.messages);
		result_clear(&r);
	}
}

#define URL "\"url\":\"https://example.org/\""

/* What PUT and PATCH have in common. */
static const struct row both[] = {
    {"{\"name\":\"x\"}", "", NULL},
    {"{\"severityThreshold\":\"low\"}", "", NULL},
    {"{\"isActive\":true}", "", NULL},
    {SHOWN, "", NULL},
    {"{\"id\":\"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a\",\"name\":\"x\"}", "", NULL},
    {"{}", ":required", "asks for no change"},
    {"{\"type\":\"webhook\",\"scope\":\"project\"}", ":required", "asks for no change"},
    {"[]", ":json", "not a JSON array"},
    {"{\"type\":\"slack\"}", "type:readonly", "this channel's type is webhook"},
    {"{\"id\":\"00000000-0000-4000-8000-000000000000\"}", "id:readonly", "leave it out"},
    {"{\"scope\":null,\"destination\":\"x\",\"createdAt\":1,\"updatedAt\":\"\",\"disabledReason\":{"
     "}}",
	"scope:readonly destination:readonly createdAt:readonly updatedAt:readonly "
	"disabledReason:readonly",
	NULL},
    {"{\"failingSince\":\"2026-01-01T00:00:00.001Z\",\"lastDeliveredAt\":null}",
	"failingSince:readonly lastDeliveredAt:readonly", "leave it out"},
    {"{\"Name\":\"x\"}", "Name:unknown", "did you mean \"name\"?"},
    {"{\"name\":\"\",\"severityThreshold\":\"info\",\"isActive\":\"yes\"}",
	"name:length severityThreshold:enum isActive:type", "must be true or false, not a string"},
    {"{\"name\":null,\"severityThreshold\":null,\"isActive\":null,\"credentials\":null}",
	"name:type severityThreshold:type isActive:type credentials:type", NULL},
    {"{\"hmacOverlapSeconds\":5}", "credentials.hmacSecret:required", "goes with a new secret"},
    {"{\"name\":\"x\",\"hmacOverlapSeconds\":5}", "credentials.hmacSecret:required", NULL},
};

static void
test_both(void **state)
{
	(void)state;
	expect(both, NELEMS(both), CHANNEL_WEBHOOK, "url,authHeader", false);
	expect(both, NELEMS(both), CHANNEL_WEBHOOK, "url,authHeader", true);
}

static void
test_put(void **state)
{
	static const struct row rows[] = {
	    {"{\"credentials\":{" URL "}}", "", NULL},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":0}", "", NULL},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":604800}", "",
		NULL},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":604801}",
		"hmacOverlapSeconds:length", "from 0"},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":-1}",
		"hmacOverlapSeconds:length", NULL},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":1.5}",
		"hmacOverlapSeconds:length", NULL},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":\"1\"}",
		"hmacOverlapSeconds:type", NULL},
	    {"{\"credentials\":{\"hmacSecret\":\"s\"}}", "credentials.url:required", NULL},
	    {"{\"credentials\":{}}", "credentials.url:required", NULL},
	    {"{\"credentials\":{" URL ",\"authHeader\":null}}", "credentials.authHeader:type",
		NULL},
	    {"{\"credentials\":{\"webhookUrl\":\"https://hooks.slack.com/services/T/B/x\"}}",
		"credentials.webhookUrl:unknown credentials.url:required",
		"or use url, authHeader or hmacSecret"},
	};

	(void)state;
	expect(rows, NELEMS(rows), CHANNEL_WEBHOOK, "url,authHeader,hmacSecret", false);
}

static void
test_patch(void **state)
{
	static const struct row rows[] = {
	    {"{\"credentials\":{\"hmacSecret\":\"s\"}}", "", NULL},
	    {"{\"credentials\":{\"hmacSecret\":null}}", "", NULL},
	    {"{\"credentials\":{\"authHeader\":null,\"hmacSecret\":\"s\"}}", "", NULL},
	    {"{\"credentials\":{" URL ",\"authHeader\":null,\"hmacSecret\":\"s\"}}", "", NULL},
	    {"{\"credentials\":{}}", "credentials:required", "names no field"},
	    {"{\"credentials\":{" URL "}}",
		"credentials.authHeader:required credentials.hmacSecret:required",
		"a kept secret is never sent to another place"},
	    {"{\"credentials\":{" URL ",\"hmacSecret\":null}}", "credentials.authHeader:required",
		NULL},
	    {"{\"credentials\":{\"url\":null}}",
		"credentials.url:type credentials.authHeader:required "
		"credentials.hmacSecret:required",
		NULL},
	    {"{\"credentials\":{\"hmacSecret\":null},\"hmacOverlapSeconds\":5}",
		"credentials.hmacSecret:required", NULL},
	    {"{\"credentials\":[]}", "credentials:type", NULL},
	};
	static const struct row bare[] = {
	    {"{\"credentials\":{" URL "}}", "", NULL}, /* there is nothing to be kept */
	};
	static const struct row slack[] = {
	    {"{\"credentials\":{\"webhookUrl\":\"https://hooks.slack.com/services/T/B/x\"},"
	     "\"type\":\"webhook\"}",
		"", NULL},
	    {"{\"name\":\"x\",\"hmacOverlapSeconds\":5}", "hmacOverlapSeconds:unknown",
		"channels of type webhook"},
	    {"{\"credentials\":{\"hmacSecret\":\"x\"}}", "credentials.hmacSecret:unknown", NULL},
	};

	(void)state;
	expect(rows, NELEMS(rows), CHANNEL_WEBHOOK, "url,authHeader,hmacSecret", true);
	expect(bare, NELEMS(bare), CHANNEL_WEBHOOK, "url", true);
	expect(slack, NELEMS(slack), CHANNEL_SLACK, "webhookUrl", true);
}

/* What is kept of a good body. */
static void
test_kept(void **state)
{
	struct result r;

	(void)state;
	judge(CHANNEL_WEBHOOK, "url", true, "{\"name\":\"x\"}", &r);
	CHECK("name", slice_eq(r.out.name, slice_of("x")));
	CHECK("name", r.out.threshold == -1 && r.out.is_active == -1 && !r.out.has_credentials);
	result_clear(&r);

	judge(
	    CHANNEL_WEBHOOK, "url", true, "{\"severityThreshold\":\"low\",\"isActive\":false}", &r);
	CHECK("low", r.out.name.ptr == NULL && r.out.threshold == SEVERITY_LOW);
	CHECK("low", r.out.is_active == 0);
	result_clear(&r);

	judge(CHANNEL_WEBHOOK, "url,hmacSecret", true,
	    "{\"credentials\":{\"authHeader\":null,\"hmacSecret\":\"s\"},\"hmacOverlapSeconds\":7}",
	    &r);
	CHECK("part", r.out.has_credentials && !r.out.replaces && r.out.overlap_s == 7);
	CHECK("part", r.out.credentials.nvalues == 2 && r.out.credentials.destination[0] == '\0');
	CHECK("part", r.out.credentials.values[0].removed && !r.out.credentials.values[1].removed);
	CHECK("part", credentials_names(&r.out.credentials, "hmacSecret"));
	CHECK("part", !credentials_names(&r.out.credentials, "authHeader"));
	result_clear(&r);

	judge(CHANNEL_WEBHOOK, "url,hmacSecret", true,
	    "{\"credentials\":{" URL ",\"hmacSecret\":null}}", &r);
	CHECK("moved", r.out.replaces && r.out.overlap_s == CHANNEL_OVERLAP_DEFAULT_S);
	CHECK("moved", strcmp(r.out.credentials.destination, "example.org") == 0);
	result_clear(&r);

	judge(CHANNEL_WEBHOOK, "url", false, "{\"credentials\":{" URL "}}", &r);
	CHECK("whole", r.out.has_credentials && r.out.replaces);
	result_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_patch),
	    cmocka_unit_test(test_kept),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
