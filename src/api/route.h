#ifndef API_ROUTE_H
#define API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/text.h"
#include "domain/apikey.h"
#include "domain/permit.h"

struct call;

/** What a route is, beside its method and path. */
enum route_flag {
	ROUTE_OPEN = 1,    /* for anybody: no key is looked at */
	ROUTE_PROJECT = 2, /* about one project: an org key must name it */
	ROUTE_ONCE = 4,    /* heeds Idempotency-Key */
};

/** The ids in a path, as sent. */
struct route_ids {
	struct slice id, delivery_id;
};

/** One method of one path: a row of route.c's table. */
struct route {
	const char *name;   /* for the log and the metrics: "channel.create" */
	const char *method; /* "POST"; a GET answers HEAD, too */
	const char *path;   /* "{id}" and "{deliveryId}" stand for one segment each */
	enum permission permission;
	unsigned int flags; /* of enum route_flag */
	size_t body_max;    /* bytes; 0: takes no body */
	/* Answers: validates c->body, and writes c->out in every case. */
	void (*run)(struct call *c);
};

/**
 * route_find(method, path, allow, id):
 * The row for ${method} at ${path} (as sent, without query), or NULL: then ${allow} holds the
 * methods that the path does take, ", " between, and is empty where there is no such path.  What
 * stands for the ids goes to ${ids}; absent where the row has none.
 */
const struct route *route_find(
    struct slice method, struct slice path, struct buf *allow, struct route_ids *ids);

/**
 * route_kind(r):
 * Which of a plan's limits a request of ${r} counts against.
 */
enum permit_kind route_kind(const struct route *r);

/**
 * route_index(r), route_name(i), route_method(i):
 * A number from 0 for each row, and one for NULL; the name ("none" for that) and the method of a
 * number.
 */
size_t route_index(const struct route *r);
const char *route_name(size_t i);
const char *route_method(size_t i);

#endif
