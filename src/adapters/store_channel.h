#ifndef ADAPTERS_STORE_CHANNEL_H
#define ADAPTERS_STORE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"
#include "base/err.h"
#include "base/uuid.h"
#include "domain/verdict.h"

/** Who asks, as far as the request itself says. */
struct store_caller {
	uint8_t digest[32];  /* SHA-256 of the API key */
	bool has_project;    /* X-Project-Id was sent, and is a UUID */
	bool project_is_bad; /* … was sent, and is none */
	struct uuid project;
};

/** A channel to be written; borrowed. */
struct store_channel {
	const struct uuid *id;
	const char *type;
	struct slice name; /* NUL-terminated behind its length */
	int threshold;     /* enum severity */
	const char *destination;
	const char *fields; /* names of the credential fields, as db_array_text() makes it */
	const char
	    *sealed; /* their sealed values in the same order, as db_array_bytes() makes it */
};

/**
 * store_admit(db, who, permission, deadline_ms, out):
 * Ask whether ${who} may do what needs ${permission}.  The verdict goes to ${out}.  Errors as
 * db_call()'s.
 */
enum err store_admit(struct db *db, const struct store_caller *who, const char *permission,
    int64_t deadline_ms, struct ruling *out) MUST_CHECK;

/**
 * store_channel_create(db, who, channel, deadline_ms, out):
 * Admit, check the quota, write the channel and its audit row, in one transaction.  Calling again
 * with the same id after a lost answer writes nothing twice and gives the same verdict.  Errors as
 * db_call()'s.
 */
enum err store_channel_create(struct db *db, const struct store_caller *who,
    const struct store_channel *channel, int64_t deadline_ms, struct ruling *out) MUST_CHECK;

#endif
