#ifndef ADAPTERS_STORE_EVENT_H
#define ADAPTERS_STORE_EVENT_H

#include "adapters/store_access.h"
#include "adapters/store_channel.h"
#include "base/buf.h"

/** An event to be accepted; borrowed. */
struct store_event {
	const struct uuid *id; /* made before: a call that is repeated finds its own row */
	struct slice
	    payload; /* JSON text that base/json has let pass, NUL-terminated behind its length */
	const struct store_once *once;
};

/**
 * store_event_publish(db, who, event, deadline_ms, arena, out, answer, issues):
 * Accept an event and put its deliveries into the queue, in one transaction.  ${answer} is the data
 * of the answer, with VERDICT_REPLAYED that of the first; with VERDICT_INVALID ${issues} is the
 * JSON array of what is wrong; all in ${arena}.  ERR_INVALID: the database cannot hold the payload
 * (a number that is too large).  Else errors as db_call()'s.
 */
enum err store_event_publish(struct db *db, const struct store_caller *who,
    const struct store_event *event, int64_t deadline_ms, struct arena *arena, struct ruling *out,
    const char **answer, const char **issues) MUST_CHECK;

/**
 * store_event_get(db, who, id, deadline_ms, out, json):
 * Append the JSON object of an event with its deliveries to ${json}.  Errors as db_call()'s.
 */
enum err store_event_get(struct db *db, const struct store_caller *who, const struct uuid *id,
    int64_t deadline_ms, struct ruling *out, struct buf *json) MUST_CHECK;

#endif
