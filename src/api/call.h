#ifndef API_CALL_H
#define API_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"
#include "adapters/gate.h"
#include "adapters/store_channel.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "domain/apikey.h"
#include "domain/issue.h"
#include "domain/seal.h"
#include "domain/settings.h"

/** What a worker has to serve with. */
struct api {
	const struct settings *settings;
	struct clock clock;
	struct arena *arena; /* the request's; reset after each */
	struct db *db;
	struct seal_sender *sender;
};

struct route;

/** One request on its way through handle.c. */
struct call {
	struct api *api;
	const struct gate_request *in;
	const struct route *route;
	struct arena *arena;
	int64_t started_ms, deadline_ms; /* monotonic */
	struct store_caller caller;
	struct json *body;    /* NULL: none, or it is refused */
	struct issues issues; /* with header and body, in the order of the checks */
	enum refusal
	    refusal; /* what the request will be refused with, once the key has proved good */
	struct ruling ruling; /* the database's last word */
	struct reply *out;
};

/**
 * call_is_refused(c), call_refuse(c):
 * Is something wrong with the request itself?  Then refuse it: but ask the database first, so that
 * a bad key, project or permission is told before any word about the body (contract §1).
 */
bool call_is_refused(const struct call *c);
void call_refuse(struct call *c);

/**
 * call_settle(c, e):
 * After a call to the database that gave ${e} and c->ruling: true where it was done; else the
 * refusal is in c->out.
 */
bool call_settle(struct call *c, enum err e);

#endif
