#ifndef DOMAIN_CHANNEL_H
#define DOMAIN_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/text.h"
#include "base/url.h"
#include "domain/address.h"
#include "domain/credentials.h"
#include "domain/issue.h"
#include "domain/severity.h"

#define CHANNEL_NAME_MAX 255 /* code points */

/** All in which the six types differ; a seventh is one more row (channel.c). */
struct channel_type_row {
	const char *word;  /* as in the API: "slack" */
	const char *title; /* for people: "Slack" */
	const struct credentials_field
	    *fields; /* ends with a NULL name; the required one is first */
	const struct credentials_host
	    *hosts; /* the platform's own hosts, ends with a NULL suffix; NULL: any public host */
};

extern const struct channel_type_row channel_types[CHANNEL__MAX];

/* The words of the types, for messages and lookups. */
extern const char *const channel_type_words[CHANNEL__MAX];

/**
 * channel_type_parse(s, out):
 * Find the type whose word is ${s}.  ERR_INVALID: none.
 */
enum err channel_type_parse(struct slice s, enum channel_type *out) MUST_CHECK;

/** A channel that somebody asks for: the body of a create that passed. */
struct channel_new {
	enum channel_type type;
	struct slice name; /* borrows the JSON tree */
	enum severity threshold;
	struct credentials credentials; /* holds secrets: credentials_clear() */
};

/**
 * channel_new_parse(body, policy, issues, out):
 * Judge ${body}, the parsed JSON of a create, by contract §3.  Every problem goes to ${issues}, in
 * body order, missing fields last; ${out} may be used only where there is none.  ${out} borrows
 * ${body}; the caller gives it to channel_new_clear() in every case.
 */
void channel_new_parse(const struct json *body, const struct credentials_policy *policy,
    struct issues *issues, struct channel_new *out);
void channel_new_clear(struct channel_new *c);

/**
 * channel_check_name(value, issues, name), channel_check_threshold(value, path, issues, threshold):
 * Judge one field, by contract §3; a ${value} of NULL is a missing one.  ${name} borrows ${value};
 * both may be used only where no issue was added.
 */
void channel_check_name(const struct json *value, struct issues *issues, struct slice *name);
void channel_check_threshold(
    const struct json *value, const char *path, struct issues *issues, enum severity *threshold);

/** A channel as it stands, for one who wants to change it. */
struct channel_current {
	enum channel_type type;
	struct slice shown; /* what a GET shows: a JSON object */
	struct credentials_present present;
};

/**
 * channel_current_fields(c, names):
 * Note which credential fields ${c}, whose type is set, has: ${names} with commas between.
 */
void channel_current_fields(struct channel_current *c, struct slice names);

#endif
