#ifndef API_CALL_H
#define API_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"
#include "adapters/gate.h"
#include "adapters/store_access.h"
#include "adapters/store_channel.h"
#include "api/counters.h"
#include "api/reply.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "domain/apikey.h"
#include "domain/issue.h"
#include "domain/permit.h"
#include "domain/seal.h"
#include "domain/settings.h"

/** What a worker has to serve with. */
struct api {
	const struct settings *settings;
	struct clock clock;
	struct arena *arena; /* the request's; reset after each */
	struct db *db;
	struct seal_sender *sender;
	struct permit_stock *permits;
	struct counters *counters; /* shared by all workers; may be NULL */
	size_t worker;             /* this one's place among them */
};

/** One request on its way through handle.c. */
struct call {
	struct api *api;
	const struct gate_request *in;
	const struct route *route;
	const char *method; /* for the log; NULL: no memory */
	struct arena *arena;
	int64_t started_ms, deadline_ms; /* monotonic */
	struct store_caller caller;
	struct route_ids ids;
	struct uuid id, delivery_id; /* of the path, where the route has them */
	bool id_is_bad;              /* one of them is no id */
	struct json *body;           /* NULL: none, or it is refused */
	struct issues issues;        /* with header and body, in the order of the checks */
	enum refusal
	    refusal; /* what the request will be refused with, once the key has proved good */
	struct permit *permit;      /* the one that this request uses up; NULL: none */
	struct admission admission; /* the answer to admit_ask(), where that was called */
	struct ruling ruling;       /* the database's last word */
	struct store_once once;
	struct reply *out;
};

/**
 * call_new_id(c, id):
 * Make a version 7 id, for a new channel or for a call that may have to be repeated.
 */
void call_new_id(struct call *c, struct uuid *id);

#endif
