#ifndef DOMAIN_VERDICT_H
#define DOMAIN_VERDICT_H

#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"

/** What the database's functions say of a request: the words of their `status` column (sql/fn). */
enum verdict {
	VERDICT_OK = 0,
	VERDICT_UNAUTHORIZED,
	VERDICT_KEY_REVOKED,
	VERDICT_KEY_EXPIRED,
	VERDICT_SECRET_KEY_REQUIRED,
	VERDICT_TENANT_SUSPENDED,
	VERDICT_MISSING_PROJECT,
	VERDICT_BAD_PROJECT,
	VERDICT_WRONG_PROJECT,
	VERDICT_FORBIDDEN,
	VERDICT_RATE_LIMITED,
	VERDICT_NOT_FOUND,
	VERDICT_NO_DELIVERY,
	VERDICT_TENANT_WIDE,      /* a project's key may only read a channel of the whole tenant */
	VERDICT_REPLAYED,         /* the Idempotency-Key's first request has been answered */
	VERDICT_KEY_CONFLICT,     /* … and was another one */
	VERDICT_INVALID,          /* the event's body has faults */
	VERDICT_NOT_FINISHED,     /* only a delivery that has ended can be sent again */
	VERDICT_CHANNEL_INACTIVE, /* nothing but a test goes there */
	VERDICT_QUOTA,
	VERDICT_CONFLICT, /* the new id is somebody else's; make another one and call again */
	VERDICT__MAX
};

extern const char *const verdict_words[VERDICT__MAX];

/**
 * verdict_parse(s, out):
 * Find the verdict whose word is ${s}.  ERR_INVALID: none.
 */
enum err verdict_parse(struct slice s, enum verdict *out) MUST_CHECK;

/** A verdict with what was found on the way; texts are "" where it did not come that far. */
struct ruling {
	enum verdict verdict;
	char key_id[UUID_TEXT_SIZE];
	char tenant_id[UUID_TEXT_SIZE];
	char project_id[UUID_TEXT_SIZE];
	char plan[64];
	int64_t limit, used; /* of channels; with VERDICT_QUOTA */
};

#endif
