/*
 * The body of a PUT or PATCH, judged by the channel's own type.  What a GET showed may be sent
 * back: fields that nobody can change are held against the channel as it stands.
 */
#include "domain/channel_edit.h"

#include <string.h>

/** A change being read. */
struct reading {
	const struct channel_current *current;
	const struct json *shown; /* the channel as a GET shows it */
	bool is_part;
	const struct credentials_policy *policy;
	struct issues *issues;
	struct channel_edit *out;
	size_t changes;   /* fields that ask for something */
	bool has_overlap; /* hmacOverlapSeconds is there */
};

/** One field that the body may have. */
struct field {
	const char *name;
	void (*check)(struct reading *r, const char *name, const struct json *value);
};

static void
check_name(struct reading *r, const char *name, const struct json *value)
{
	(void)name;
	channel_check_name(value, r->issues, &r->out->name);
	r->changes++;
}

static void
check_threshold(struct reading *r, const char *name, const struct json *value)
{
	enum severity threshold = SEVERITY_CRITICAL;

	channel_check_threshold(value, name, r->issues, &threshold);
	r->out->threshold = (int)threshold;
	r->changes++;
}

static void
check_active(struct reading *r, const char *name, const struct json *value)
{
	if (json_type(value) != JSON_BOOL)
		issue_add_type(r->issues, name, "true or false", value);
	r->out->is_active = json_bool(value) ? 1 : 0;
	r->changes++;
}

/* A whole set, or with PATCH the named ones; with the place that messages go to always the whole.
 */
static void
check_credentials(struct reading *r, const char *name, const struct json *value)
{
	const enum channel_type type = r->current->type;
	struct channel_edit *out = r->out;

	(void)name;
	if (r->is_part)
		credentials_parse_part(
		    type, value, &r->current->present, r->policy, r->issues, &out->credentials);
	else
		credentials_parse(type, value, r->policy, r->issues, &out->credentials);
	out->has_credentials = true;
	out->replaces =
	    !r->is_part || credentials_names(&out->credentials, channel_types[type].fields[0].name);
	r->changes++;
}

/* Only a webhook has a secret whose old value can go on to sign. */
static void
check_overlap(struct reading *r, const char *name, const struct json *value)
{
	if (r->current->type != CHANNEL_WEBHOOK)
		issue_add(r->issues, name, ISSUE_UNKNOWN,
		    "belongs to channels of type webhook, which sign with an hmacSecret; remove "
		    "it");
	else if (json_int(value, 0, CHANNEL_OVERLAP_MAX_S, &r->out->overlap_s) != ERR_OK)
		issue_add(r->issues, name,
		    json_type(value) == JSON_NUMBER ? ISSUE_LENGTH : ISSUE_TYPE,
		    "must be a whole number of seconds from 0 (the old secret ends at once) to "
		    "604800");
	r->has_overlap = true;
}

/* Nobody changes it: it must be what the channel has. */
static void
check_readonly(struct reading *r, const char *name, const struct json *value)
{
	if (json_equal(value, json_get(r->shown, name)))
		return;
	if (strcmp(name, "type") == 0)
		issue_add(r->issues, name, ISSUE_READONLY,
		    "cannot change: this channel's type is %s; make another channel instead",
		    channel_types[r->current->type].word);
	else
		issue_add(r->issues, name, ISSUE_READONLY,
		    "cannot be changed: leave it out, or send what a GET shows");
}

/* clang-format off */
static const struct field fields[] = {
	{"name", check_name},
	{"credentials", check_credentials},
	{"severityThreshold", check_threshold},
	{"isActive", check_active},
	{"hmacOverlapSeconds", check_overlap},
	{"id", check_readonly},
	{"type", check_readonly},
	{"scope", check_readonly},
	{"destination", check_readonly},
	{"disabledReason", check_readonly},
	{"lastDeliveredAt", check_readonly},
	{"failingSince", check_readonly},
	{"createdAt", check_readonly},
	{"updatedAt", check_readonly},
};
/* What an unknown field may have been meant to be: those that can be changed. */
static const char *const field_names[] = {
	"name", "credentials", "severityThreshold", "isActive", "hmacOverlapSeconds",
};
/* clang-format on */

#define NFIELDS (sizeof(fields) / sizeof(fields[0]))
#define NNAMES  (sizeof(field_names) / sizeof(field_names[0]))

/* Judge one member of the body (json_each). */
static bool
visit(void *ctx, struct slice name, struct json *value)
{
	struct reading *r = ctx;
	size_t i;

	for (i = 0; i < NFIELDS && !slice_eq(slice_of(fields[i].name), name);)
		i++;
	if (i == NFIELDS)
		issue_add_unknown(r->issues, "", name, field_names, NNAMES);
	else
		fields[i].check(r, fields[i].name, value);
	return (true);
}

/* What only the whole body shows. */
static void
check_whole(struct reading *r)
{
	if (r->changes == 0 && !r->has_overlap && r->issues->count == 0)
		issue_add(r->issues, "", ISSUE_REQUIRED,
		    "asks for no change: give one of name, credentials, severityThreshold, "
		    "isActive");
	else if (r->has_overlap && r->current->type == CHANNEL_WEBHOOK &&
		 !credentials_names(&r->out->credentials, "hmacSecret"))
		issue_add(r->issues, "credentials.hmacSecret", ISSUE_REQUIRED,
		    "is missing: hmacOverlapSeconds goes with a new secret, for the one that it "
		    "replaces");
}

void
channel_edit_parse(const struct json *body, const struct channel_current *current, bool is_part,
    const struct credentials_policy *policy, struct issues *issues, struct channel_edit *out)
{
	struct reading r = {
	    .current = current, .is_part = is_part, .policy = policy, .issues = issues, .out = out};
	struct json_fault fault;
	struct json *shown = NULL;

	memset(out, 0, sizeof(*out));
	out->threshold = -1;
	out->is_active = -1;
	out->overlap_s = CHANNEL_OVERLAP_DEFAULT_S;
	if (json_type(body) != JSON_OBJECT) {
		issue_add(issues, "", ISSUE_JSON, "the body must be a JSON object, not a JSON %s",
		    json_type_words[json_type(body)]);
		return;
	}
	if (json_parse(current->shown, &shown, &fault) != ERR_OK) {
		issues->failed = true;
		return;
	}
	r.shown = shown;
	json_each(body, visit, &r);
	check_whole(&r);
	json_free(shown);
}

void
channel_edit_clear(struct channel_edit *e)
{
	credentials_clear(&e->credentials);
	memset(e, 0, sizeof(*e));
}
