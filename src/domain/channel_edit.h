#ifndef DOMAIN_CHANNEL_EDIT_H
#define DOMAIN_CHANNEL_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/channel.h"

#define CHANNEL_OVERLAP_MAX_S     604800 /* of a replaced hmacSecret: a week */
#define CHANNEL_OVERLAP_DEFAULT_S 86400

/** What somebody wants to change in a channel: the body of a PUT or PATCH that passed. */
struct channel_edit {
	struct slice name; /* absent: stays; borrows the JSON tree */
	int threshold;     /* enum severity; -1: stays */
	int is_active;     /* 0, 1; -1: stays */
	bool has_credentials;
	bool replaces;                  /* credential fields that are not named go */
	struct credentials credentials; /* holds secrets: channel_edit_clear() */
	int64_t overlap_s;
};

/**
 * channel_edit_parse(body, current, is_part, policy, issues, out):
 * Judge ${body}, the parsed JSON of a PUT or, with ${is_part}, of a PATCH, of the channel
 * ${current} (contract §3 "Update").  Read-only fields that equal the channel's are passed over.
 * Every problem goes to ${issues}; ${out} may be used only where there is none; it borrows ${body},
 * and the caller gives it to channel_edit_clear() in every case.
 */
void channel_edit_parse(const struct json *body, const struct channel_current *current,
    bool is_part, const struct credentials_policy *policy, struct issues *issues,
    struct channel_edit *out);
void channel_edit_clear(struct channel_edit *e);

#endif
