#ifndef DOMAIN_EVENT_H
#define DOMAIN_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "domain/severity.h"

/* Bytes of a stored payload.  256 KiB of body at most double as jsonb prints them, but 1e400 is
 * five bytes that become 401. */
#define EVENT_PAYLOAD_MAX (1024 * 1024)

/** What the queue knows of an event beside its payload. */
struct event_known {
	struct slice id, tenant_id, project_id; /* UUIDs */
	struct slice project_slug;
	int64_t occurred_ms; /* when it happened: the payload's createdAt, or when it came; an event
				keeps the nearest time that RFC 3339 can write */
	int64_t accepted_ms; /* when it came */
};

/** One of affectedServices. */
struct event_service {
	struct slice name;
	struct slice role;        /* absent where the array held a string, or it was left out */
	struct slice error_count; /* a number's text; absent likewise */
};

/** One of suggestedActions. */
struct event_action {
	struct slice action;
	struct slice priority; /* a string, or a number's text; these three may be absent */
	struct slice rationale;
	struct slice type;
};

/** rootCause; each may be absent. */
struct event_cause {
	struct slice description, service, error_type, category;
};

/**
 * An event (contract §5), to be read only.  What the payload left out, or holds in a form that it
 * should not, is an absent slice.  Every text is its sender's: untrusted, of any length, UTF-8.
 */
struct event {
	struct event_known known;
	struct slice name; /* "analysis.complete": the field `event` */
	enum severity severity;
	struct slice summary; /* never absent */
	struct slice analysis_id, url;
	struct slice confidence; /* a number's text */
	struct event_cause cause;
	const struct event_service *services;
	size_t nservices;
	const struct event_action *actions;
	size_t nactions;
	const struct json *payload; /* the whole object */

	/* what all this lives in */
	struct arena *arena;
	struct json *tree;
};

/**
 * event_parse(payload, known, out):
 * Read ${payload}, the JSON text that the queue keeps, and copy ${known}.  ${out} is the caller's,
 * for event_free(); it borrows nothing.  ERR_DAMAGED: no JSON object, or one without a name, a
 * severity and a summary.  ERR_SPACE: over EVENT_PAYLOAD_MAX bytes.  ERR_NOMEM.
 */
enum err event_parse(
    struct slice payload, const struct event_known *known, struct event **out) MUST_CHECK;

/**
 * event_free(e):
 * Takes NULL.
 */
void event_free(struct event *e);

#endif
