#ifndef DOMAIN_CREDENTIALS_H
#define DOMAIN_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "domain/address.h"
#include "domain/issue.h"

#define CREDENTIALS_FIELDS_MAX      3   /* fields that one type has at the most */
#define CREDENTIALS_DESTINATION_MAX 300 /* bytes of the hint and its NUL */
#define CREDENTIALS_RECIPIENTS_MAX  50  /* addresses */
#define CREDENTIALS_VALUE_MAX                                              \
	16384 /* bytes of one field's value: 50 addresses of 254 bytes fit \
	       */

/** The six types; what each is, stands in channel.c's table.  Here, below its users, because a
 * check bears one. */
enum channel_type {
	CHANNEL_SLACK = 0,
	CHANNEL_TEAMS,
	CHANNEL_DISCORD,
	CHANNEL_GOOGLE_CHAT,
	CHANNEL_WEBHOOK,
	CHANNEL_EMAIL,
	CHANNEL__MAX
};

/** A host that belongs to a platform. */
struct credentials_host {
	const char
	    *suffix; /* "hooks.slack.com" is that host; ".webhook.office.com" every host below it */
	const char *
	    path; /* what the path must begin with, NULL: anything; '*' stands for one vN segment */
};

/** What the config opens beyond the platforms' own hosts; borrowed. */
struct credentials_policy {
	const struct address_net
	    *egress_allow; /* networks that may be reached though they are not public */
	size_t negress_allow;
	const struct slice *hosts[8]; /* by channel type: hosts that the config adds for it */
	size_t nhosts[8];
};

/** One field's value on its way to being sealed; `text` is wiped by credentials_clear(). */
struct credentials_value {
	const char *name; /* "webhookUrl": a word of the type table */
	bool removed;     /* the field goes; `text` is empty */
	struct buf text;
};

/** The credentials of one channel, checked.  Secret. */
struct credentials {
	struct credentials_value values[CREDENTIALS_FIELDS_MAX];
	size_t nvalues;
	char destination[CREDENTIALS_DESTINATION_MAX]; /* a hint for people without any secret */
};

/** What a check may look at, and where it puts what it finds. */
struct credentials_check {
	enum channel_type type;
	const struct credentials_policy *policy;
	struct issues *issues;
	const char *path; /* "credentials.webhookUrl" */
	struct credentials *out;
};

/** One field of a type, a row of its table. */
struct credentials_field {
	const char *name;
	bool required;
	/* Judge ${value}; append its canonical text to ${text}, add issues, set the destination
	 * where it is the field's to say. */
	void (*check)(
	    const struct credentials_check *c, const struct json *value, struct buf *text);
};

/** Which fields a channel has now, by row of its type's table. */
struct credentials_present {
	bool has[CREDENTIALS_FIELDS_MAX];
};

/**
 * credentials_parse(type, object, policy, issues, out):
 * Judge ${object}, the `credentials` of a channel of ${type}, by its table (contract §3): problems
 * go to ${issues} in the object's order, missing fields last.  ${out} is always initialised and
 * belongs to the caller, who gives it to credentials_clear(); use it only where no issue was added.
 *
 * credentials_parse_part(type, object, present, policy, issues, out):
 * The same for a part of the fields (PATCH): one that is null is to be removed; with the one that
 * says where messages go, every other that the channel has (${present}) must be there too, so that
 * no one points kept secrets at another place.
 */
void credentials_parse(enum channel_type type, const struct json *object,
    const struct credentials_policy *policy, struct issues *issues, struct credentials *out);
void credentials_parse_part(enum channel_type type, const struct json *object,
    const struct credentials_present *present, const struct credentials_policy *policy,
    struct issues *issues, struct credentials *out);
void credentials_clear(struct credentials *c);

/**
 * credentials_names(c, name):
 * Is the field ${name} among those of ${c}, with a value?
 */
bool credentials_names(const struct credentials *c, const char *name);

/**
 * credentials_is_address(s):
 * Is ${s} an e-mail address by the rules of `recipients`: ASCII dot-atom, '@', a domain with a dot?
 */
bool credentials_is_address(struct slice s);

/* The checks that channel.c's table names. */
void credentials_check_platform_url(
    const struct credentials_check *c, const struct json *value, struct buf *text);
void credentials_check_url(
    const struct credentials_check *c, const struct json *value, struct buf *text);
void credentials_check_auth_header(
    const struct credentials_check *c, const struct json *value, struct buf *text);
void credentials_check_hmac_secret(
    const struct credentials_check *c, const struct json *value, struct buf *text);
void credentials_check_recipients(
    const struct credentials_check *c, const struct json *value, struct buf *text);

#endif
