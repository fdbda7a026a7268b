#ifndef ADAPTERS_GATE_H
#define ADAPTERS_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define GATE_BODY_MAX                                                                         \
	(256 * 1024) /* bytes; what any route takes at the most.  Routes have their own limit \
			below it */

/** The worker's side of FastCGI: one request at a time from a shared listening socket. */
struct gate;

/** How reading the body ended. */
enum gate_body {
	GATE_BODY_WHOLE = 0,
	GATE_BODY_OVER,    /* more than GATE_BODY_MAX bytes; nothing of it was read */
	GATE_BODY_UNEQUAL, /* fewer or more bytes than CONTENT_LENGTH said, or the peer went away */
	GATE_BODY_NOMEM,   /* no memory for it */
	GATE_BODY__MAX
};

/** A request as the web server handed it over.  Absent parameters are absent slices.  Lives until
 * gate_answer() or gate_drop(). */
struct gate_request {
	struct slice id;     /* the web server's request id */
	struct slice method; /* "POST" */
	struct slice target; /* path and query as the client sent them */
	struct slice content_type;
	struct slice authorization;
	struct slice project_id;      /* X-Project-Id, the first one */
	struct slice idempotency_key; /* Idempotency-Key, the first one */
	bool project_id_repeated, idempotency_key_repeated;
	enum gate_body body_state;
	struct buf body; /* NUL-terminated behind its length; wiped when the request ends */
};

/**
 * gate_new(listen_fd), gate_free(g):
 * Take requests from ${listen_fd} (non-blocking, listening; borrowed).  To be called after fork.
 * NULL: no memory.
 */
struct gate *gate_new(int listen_fd);
void gate_free(struct gate *g);

/**
 * gate_accept(g, out):
 * Accept one connection and read one whole request, at most 5 s between its bytes.  Call when the
 * socket is readable. ERR_DOWN: another worker was quicker.  ERR_INVALID: what came was no whole
 * FastCGI request; it was logged and closed.
 */
enum err gate_accept(struct gate *g, const struct gate_request **out) MUST_CHECK;

/**
 * gate_answer(g, status, headers, body):
 * Send the answer and end the request.  ${headers}: whole lines, each ending in CR LF.  Without a
 * body for HEAD. ERR_IO: the peer went away before the end (the caller logs it).
 */
enum err gate_answer(
    struct gate *g, int status, struct slice headers, struct slice body) MUST_CHECK;

#endif
