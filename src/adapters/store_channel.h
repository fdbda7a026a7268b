#ifndef ADAPTERS_STORE_CHANNEL_H
#define ADAPTERS_STORE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/store_access.h"
#include "base/buf.h"
#include "domain/credentials.h"
#include "domain/seal.h"

/** The sealed form of a channel's credentials: the two array parameters that the database takes. */
struct store_sealed {
	struct buf names, boxes;
};

/**
 * store_sealed_init(s), store_sealed_clear(s), store_seal(sender, now_ms, id, type, from, out):
 * Seal each value of ${from} to the courier's key, bound to the channel ${id} of ${type} and the
 * field's name; a removed one becomes a NULL.  ${now_ms} and the errors are seal_close()'s.
 */
void store_sealed_init(struct store_sealed *s);
void store_sealed_clear(struct store_sealed *s);
enum err store_seal(struct seal_sender *sender, int64_t now_ms, const struct uuid *id,
    enum channel_type type, const struct credentials *from, struct store_sealed *out) MUST_CHECK;

/** What is remembered of a request with an Idempotency-Key (contract §4); borrowed. */
struct store_once {
	bool is_asked;                     /* false: the request has none */
	uint8_t key_mac[CRYPT_SHA256_LEN]; /* of the key … */
	uint8_t mac[CRYPT_SHA256_LEN];     /* … and of route and body; keyed with the API key */
	const char *answer, *location;     /* what it will be answered with, if it is the first */
};

/** A channel to be written; borrowed. */
struct store_channel {
	const struct uuid *id;
	const char *type;
	struct slice name; /* NUL-terminated behind its length */
	int threshold;     /* enum severity */
	const char *destination;
	struct store_sealed *sealed;
	const struct store_once *once;
};

/** What becomes of a channel; what is absent stays as it is. */
struct store_change {
	const struct uuid *id;
	const struct uuid
	    *call;         /* id of this call, so that one that is repeated does nothing twice */
	struct slice name; /* NUL-terminated behind its length */
	int threshold;     /* -1: stays */
	int is_active;     /* 0, 1; -1: stays */
	const char *destination;     /* NULL: stays */
	struct store_sealed *sealed; /* NULL: credentials stay */
	bool replaces;               /* credential fields that are not named go */
	int64_t overlap_s;           /* of a replaced hmacSecret */
};

/**
 * store_channel_create(db, who, channel, deadline_ms, arena, out, first):
 * Admit, look at the Idempotency-Key, check the quota, write the channel and its audit row, in one
 * transaction.  Calling again with the same id after a lost answer writes nothing twice and gives
 * the same verdict.  With VERDICT_REPLAYED, ${first} holds the first answer, in ${arena}.  Errors
 * as db_call()'s.
 */
enum err store_channel_create(struct db *db, const struct store_caller *who,
    const struct store_channel *channel, int64_t deadline_ms, struct arena *arena,
    struct ruling *out, struct store_once *first) MUST_CHECK;

/** A page of a list; `limit` 0 is all. */
struct store_page {
	bool with_inactive;
	int64_t page, limit;
};

/**
 * store_channel_list(db, who, page, deadline_ms, out, total, json):
 * Append the JSON array of the channels of ${who}'s project to ${json}; how many all pages have, to
 * ${total}.  Errors as db_call()'s, ERR_NOMEM.
 */
enum err store_channel_list(struct db *db, const struct store_caller *who,
    const struct store_page *page, int64_t deadline_ms, struct ruling *out, int64_t *total,
    struct buf *json) MUST_CHECK;

/**
 * store_channel_get(db, who, id, deadline_ms, out, json):
 * Append the JSON object of a channel to ${json}.  Errors as db_call()'s.
 */
enum err store_channel_get(struct db *db, const struct store_caller *who, const struct uuid *id,
    int64_t deadline_ms, struct ruling *out, struct buf *json) MUST_CHECK;

/**
 * store_channel_update(db, who, change, deadline_ms, out):
 * store_channel_delete(db, who, id, call, deadline_ms, out):
 * Change a channel as a whole; delete it.  Errors as db_call()'s.
 */
enum err store_channel_update(struct db *db, const struct store_caller *who,
    const struct store_change *change, int64_t deadline_ms, struct ruling *out) MUST_CHECK;
enum err store_channel_delete(struct db *db, const struct store_caller *who, const struct uuid *id,
    const struct uuid *call, int64_t deadline_ms, struct ruling *out) MUST_CHECK;

#endif
