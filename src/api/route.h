#ifndef API_ROUTE_H
#define API_ROUTE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/text.h"
#include "domain/apikey.h"

struct call;

/** One method of one path: a row of route.c's table. */
struct route {
	const char *name;   /* for the log: "channel.create" */
	const char *method; /* "POST" */
	const char *path;
	enum permission permission;
	size_t body_max; /* bytes; 0: takes no body */
	/* Answers: validates c->body, and writes c->out in every case. */
	void (*run)(struct call *c);
};

/**
 * route_find(method, path, allow):
 * The row for ${method} at ${path} (as sent, without query), or NULL: then ${allow} holds the
 * methods that the path does take,
 * ", " between, and is empty where there is no such path.
 */
const struct route *route_find(struct slice method, struct slice path, struct buf *allow);

#endif
