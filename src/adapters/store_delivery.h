#ifndef ADAPTERS_STORE_DELIVERY_H
#define ADAPTERS_STORE_DELIVERY_H

#include "adapters/store_access.h"
#include "base/buf.h"

/** Which of a channel's deliveries to list. */
struct store_delivery_page {
	struct slice status;       /* absent: all; NUL-terminated behind its length */
	const struct uuid *before; /* the cursor; NULL: from the newest */
	int64_t limit;
};

/**
 * store_delivery_list(db, who, channel, page, deadline_ms, out, json):
 * store_delivery_get(db, who, channel, id, deadline_ms, out, json):
 * Append the JSON object of a page of a channel's deliveries, of one with its attempts, to ${json}.
 * Errors as db_call()'s.
 */
enum err store_delivery_list(struct db *db, const struct store_caller *who,
    const struct uuid *channel, const struct store_delivery_page *page, int64_t deadline_ms,
    struct ruling *out, struct buf *json) MUST_CHECK;
enum err store_delivery_get(struct db *db, const struct store_caller *who,
    const struct uuid *channel, const struct uuid *id, int64_t deadline_ms, struct ruling *out,
    struct buf *json) MUST_CHECK;

/**
 * store_delivery_test(db, who, channel, id, deadline_ms, out):
 * Put a test of ${channel} into the queue, under the new ${id}.
 *
 * store_delivery_retry(db, who, channel, id, call, deadline_ms, out):
 * Put one that has ended there again; ${call} is an id of the caller's, by which a repeat is known.
 */
enum err store_delivery_test(struct db *db, const struct store_caller *who,
    const struct uuid *channel, const struct uuid *id, int64_t deadline_ms,
    struct ruling *out) MUST_CHECK;
enum err store_delivery_retry(struct db *db, const struct store_caller *who,
    const struct uuid *channel, const struct uuid *id, const struct uuid *call, int64_t deadline_ms,
    struct ruling *out) MUST_CHECK;

/** Which of a channel's ended deliveries to send again: created from `since` to `until`. */
struct store_again {
	struct slice since, until; /* RFC 3339; `until` absent: now; NUL-terminated */
	const char *statuses;      /* as db_array_text() makes it */
	int64_t batch;             /* how many at the most */
	struct uuid call;  /* an id of the caller's for each batch, by which a repeat is known */
	bool has_after;    /* not the first batch */
	struct uuid after; /* the last delivery of the batch before */
};

/**
 * store_delivery_retry_many(db, who, channel, again, deadline_ms, out, queued):
 * Put a batch of them into the queue again; how many, to ${queued}.  Makes ${again} the next
 * batch's; without `has_after` there is none.
 */
enum err store_delivery_retry_many(struct db *db, const struct store_caller *who,
    const struct uuid *channel, struct store_again *again, int64_t deadline_ms, struct ruling *out,
    int64_t *queued) MUST_CHECK;

#endif
