/*
 * What a channel is: the table of the six types, and the body of a create judged by contract §3.
 * All that differs between the types stands in the table; how a field is judged, in credentials.c.
 */
#include "domain/channel.h"

#include <string.h>

_Static_assert(
    sizeof(((struct credentials_policy *)0)->hosts) / sizeof(const struct slice *) >= CHANNEL__MAX,
    "a policy has room for the hosts of every type");
_Static_assert(sizeof(((struct credentials_policy *)0)->nhosts) / sizeof(size_t) >= CHANNEL__MAX,
    "a policy has room for the counts of every type");

/** A create being read. */
struct reading {
	const struct credentials_policy *policy;
	struct issues *issues;
	struct channel_new *out;
	bool type_is_known; /* out->type is set */
	bool seen[8];       /* by row of the fields */
};

/** One field of the body. */
struct field {
	const char *name;
	/* Judge ${value}; NULL: the field is missing. */
	void (*check)(struct reading *r, const struct json *value);
};

static void check_type(struct reading *r, const struct json *value);
static void check_name(struct reading *r, const struct json *value);
static void check_credentials(struct reading *r, const struct json *value);
static void check_threshold(struct reading *r, const struct json *value);

/* clang-format off */

static const struct credentials_field platform_fields[] = {
	{"webhookUrl", true, credentials_check_platform_url},
	{NULL, false, NULL},
};

static const struct credentials_field webhook_fields[] = {
	{"url", true, credentials_check_url},
	{"authHeader", false, credentials_check_auth_header},
	{"hmacSecret", false, credentials_check_hmac_secret},
	{NULL, false, NULL},
};

static const struct credentials_field email_fields[] = {
	{"recipients", true, credentials_check_recipients},
	{NULL, false, NULL},
};

/* Workflow Builder's /workflows/ and /triggers/ on these hosts take no Slack messages. */
static const struct credentials_host slack_hosts[] = {
	{"hooks.slack.com", "/services/"},
	{"hooks.slack-gov.com", "/services/"},
	{NULL, NULL},
};

/* Office 365 connectors, old and new; then Power Automate's workflows; then Logic Apps. */
static const struct credentials_host teams_hosts[] = {
	{"outlook.office.com", NULL},
	{"outlook.office365.com", NULL},
	{".webhook.office.com", NULL},
	{".environment.api.powerplatform.com", NULL},
	{".logic.azure.com", NULL},
	{NULL, NULL},
};

static const struct credentials_host discord_hosts[] = {
	{"discord.com", "/api/webhooks/"},
	{"discord.com", "/api/*/webhooks/"},
	{"discordapp.com", "/api/webhooks/"},
	{"discordapp.com", "/api/*/webhooks/"},
	{"ptb.discord.com", "/api/webhooks/"},
	{"ptb.discord.com", "/api/*/webhooks/"},
	{"ptb.discordapp.com", "/api/webhooks/"},
	{"ptb.discordapp.com", "/api/*/webhooks/"},
	{"canary.discord.com", "/api/webhooks/"},
	{"canary.discord.com", "/api/*/webhooks/"},
	{"canary.discordapp.com", "/api/webhooks/"},
	{"canary.discordapp.com", "/api/*/webhooks/"},
	{NULL, NULL},
};

static const struct credentials_host google_chat_hosts[] = {
	{"chat.googleapis.com", "/v1/spaces/"},
	{NULL, NULL},
};

const struct channel_type_row channel_types[CHANNEL__MAX] = {
	[CHANNEL_SLACK] = {"slack", "Slack", platform_fields, slack_hosts},
	[CHANNEL_TEAMS] = {"teams", "Microsoft Teams", platform_fields, teams_hosts},
	[CHANNEL_DISCORD] = {"discord", "Discord", platform_fields, discord_hosts},
	[CHANNEL_GOOGLE_CHAT] = {"google_chat", "Google Chat", platform_fields, google_chat_hosts},
	[CHANNEL_WEBHOOK] = {"webhook", "Webhook", webhook_fields, NULL},
	[CHANNEL_EMAIL] = {"email", "E-mail", email_fields, NULL},
};

const char *const channel_type_words[CHANNEL__MAX] = {
	[CHANNEL_SLACK] = "slack",
	[CHANNEL_TEAMS] = "teams",
	[CHANNEL_DISCORD] = "discord",
	[CHANNEL_GOOGLE_CHAT] = "google_chat",
	[CHANNEL_WEBHOOK] = "webhook",
	[CHANNEL_EMAIL] = "email",
};

/* The body of a create, in the contract's order. */
static const struct field fields[] = {
	{"type", check_type},
	{"name", check_name},
	{"credentials", check_credentials},
	{"severityThreshold", check_threshold},
};
static const char *const field_names[] = {"type", "name", "credentials", "severityThreshold"};

/* clang-format on */

#define NFIELDS (sizeof(fields) / sizeof(fields[0]))

_Static_assert(sizeof(field_names) / sizeof(field_names[0]) == NFIELDS, "a name for each field");
_Static_assert(sizeof(((struct reading *)0)->seen) / sizeof(bool) >= NFIELDS, "a mark for each");

enum err
channel_type_parse(struct slice s, enum channel_type *out)
{
	unsigned int i;

	for (i = 0; i < CHANNEL__MAX; i++) {
		if (slice_eq(s, slice_of(channel_types[i].word))) {
			*out = (enum channel_type)i;
			return (ERR_OK);
		}
	}
	return (ERR_INVALID);
}

static void
check_type(struct reading *r, const struct json *value)
{
	if (value != NULL && json_type(value) != JSON_STRING)
		issue_add_type(r->issues, "type", "a string", value);
	else if (!r->type_is_known)
		issue_add_enum(r->issues, "type",
		    value == NULL ? slice_of(NULL) : json_string(value), channel_type_words,
		    CHANNEL__MAX);
}

/* Is there a C0, DEL or C1 control in ${s}? */
static bool
has_control(struct slice s)
{
	uint32_t cp;
	size_t n;

	for (; (n = text_utf8_next(s, &cp)) > 0; s = slice_skip(s, n)) {
		if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
			return (true);
	}
	return (false);
}

void
channel_check_name(const struct json *value, struct issues *issues, struct slice *name)
{
	size_t count;

	if (value == NULL) {
		issue_add(issues, "name", ISSUE_REQUIRED,
		    "is missing: must be a string of 1 to %d characters", CHANNEL_NAME_MAX);
		return;
	}
	if (json_type(value) != JSON_STRING) {
		issue_add_type(issues, "name", "a string", value);
		return;
	}
	*name = json_string(value);
	count = text_utf8_count(*name);
	if (count == 0 || count > CHANNEL_NAME_MAX)
		issue_add(issues, "name", ISSUE_LENGTH, "must be 1 to %d characters long, not %zu",
		    CHANNEL_NAME_MAX, count);
	if (has_control(*name))
		issue_add(issues, "name", ISSUE_FORMAT,
		    "must not hold control characters (line breaks, tabs, U+0000 to U+001F, "
		    "U+007F to U+009F)");
}

static void
check_name(struct reading *r, const struct json *value)
{
	channel_check_name(value, r->issues, &r->out->name);
}

/* Without a known type nobody can say what must be inside. */
static void
check_credentials(struct reading *r, const struct json *value)
{
	if (value == NULL)
		issue_add(r->issues, "credentials", ISSUE_REQUIRED,
		    "is missing: must be an object%s%s",
		    r->type_is_known ? " with " : "; what is in it depends on the type",
		    r->type_is_known ? channel_types[r->out->type].fields[0].name : "");
	else if (r->type_is_known)
		credentials_parse(r->out->type, value, r->policy, r->issues, &r->out->credentials);
	else if (json_type(value) != JSON_OBJECT)
		issue_add_type(r->issues, "credentials", "an object", value);
}

void
channel_check_threshold(
    const struct json *value, const char *path, struct issues *issues, enum severity *threshold)
{
	struct slice sent = value == NULL ? slice_of(NULL) : json_string(value);
	bool is_severity = severity_parse(sent, threshold) == ERR_OK;

	if (value != NULL && json_type(value) != JSON_STRING)
		issue_add_type(issues, path, "a string", value);
	else if (is_severity && *threshold >= SEVERITY_THRESHOLDS)
		issue_add(issues, path, ISSUE_ENUM,
		    "must be one of critical, high, medium or low: info events go to no channel, "
		    "low lets through all others");
	else if (!is_severity)
		issue_add_enum(issues, path, sent, severity_words, SEVERITY_THRESHOLDS);
}

static void
check_threshold(struct reading *r, const struct json *value)
{
	channel_check_threshold(value, "severityThreshold", r->issues, &r->out->threshold);
}

/* Judge one member of the body (json_each). */
static bool
visit(void *ctx, struct slice name, struct json *value)
{
	struct reading *r = ctx;
	size_t i;

	for (i = 0; i < NFIELDS && !slice_eq(slice_of(fields[i].name), name);)
		i++;
	if (i == NFIELDS) {
		issue_add_unknown(r->issues, "", name, field_names, NFIELDS);
	} else if (!r->seen[i]) { /* base/json refuses a repeated key before */
		r->seen[i] = true;
		fields[i].check(r, value);
	}
	return (true);
}

void
channel_new_parse(const struct json *body, const struct credentials_policy *policy,
    struct issues *issues, struct channel_new *out)
{
	struct reading r = {.policy = policy, .issues = issues, .out = out};
	struct json *type;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (json_type(body) != JSON_OBJECT) {
		issue_add(issues, "", ISSUE_JSON, "the body must be a JSON object, not a JSON %s",
		    json_type_words[json_type(body)]);
		return;
	}
	/* Credentials are judged by the type wherever in the body it stands. */
	type = json_get(body, "type");
	r.type_is_known =
	    type != NULL && channel_type_parse(json_string(type), &out->type) == ERR_OK;
	json_each(body, visit, &r);
	for (i = 0; i < NFIELDS; i++) {
		if (!r.seen[i])
			fields[i].check(&r, NULL);
	}
}

void
channel_current_fields(struct channel_current *c, struct slice names)
{
	const struct credentials_field *rows = channel_types[c->type].fields;
	struct slice name;
	size_t i;

	memset(&c->present, 0, sizeof(c->present));
	while (slice_split(&names, ',', &name)) {
		for (i = 0; rows[i].name != NULL; i++) {
			if (slice_eq(slice_of(rows[i].name), name))
				c->present.has[i] = true;
		}
	}
}

void
channel_new_clear(struct channel_new *c)
{
	credentials_clear(&c->credentials);
	memset(c, 0, sizeof(*c));
}
