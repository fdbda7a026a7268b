#ifndef API_REPLY_H
#define API_REPLY_H

#include "base/buf.h"
#include "base/text.h"
#include "domain/verdict.h"

/** Every way in which the API says no: a row each of reply.c's table, with status, code and
 * message. */
enum refusal {
	REFUSAL_NONE = 0,
	REFUSAL_NOT_FOUND,
	REFUSAL_METHOD,
	REFUSAL_NO_KEY,
	REFUSAL_BAD_SCHEME,
	REFUSAL_BAD_KEY,
	REFUSAL_OLD_KEY,
	REFUSAL_UNKNOWN_KEY,
	REFUSAL_KEY_REVOKED,
	REFUSAL_KEY_EXPIRED,
	REFUSAL_SECRET_KEY,
	REFUSAL_SUSPENDED,
	REFUSAL_MISSING_PROJECT,
	REFUSAL_WRONG_PROJECT,
	REFUSAL_FORBIDDEN,
	REFUSAL_TENANT_WIDE,
	REFUSAL_RATE,
	REFUSAL_MEDIA_TYPE,
	REFUSAL_TOO_LARGE,
	REFUSAL_CUT_BODY,
	REFUSAL_VALIDATION,
	REFUSAL_NO_CHANNEL,
	REFUSAL_NO_EVENT,
	REFUSAL_NO_DELIVERY,
	REFUSAL_NOT_FINISHED,
	REFUSAL_INACTIVE,
	REFUSAL_KEY_CONFLICT,
	REFUSAL_QUOTA,
	REFUSAL_INTERNAL,
	REFUSAL_UNAVAILABLE,
	REFUSAL__MAX
};

/** An answer being made. */
struct reply {
	int status;
	const char *code; /* of an error, for the log; NULL with success */
	const char *content_type;
	struct buf headers; /* whole lines with CR LF, Content-Type not among them */
	struct buf body;
};

/**
 * reply_init(r), reply_clear(r):
 * Make an empty reply; give its memory back.
 */
void reply_init(struct reply *r);
void reply_clear(struct reply *r);

/**
 * reply_header(r, name, value):
 * Add a header line.  ${value} is ours and holds no CR and LF.
 */
void reply_header(struct reply *r, const char *name, const char *value);

/**
 * reply_data(r, status, json):
 * Answer {"success":true,"data":${json}}.
 */
void reply_data(struct reply *r, int status, struct slice json);

/**
 * reply_open(r, status), reply_close(r):
 * The same where the caller appends the JSON to r->body between the two: for answers too large to
 * be copied.
 */
void reply_open(struct reply *r, int status);
void reply_close(struct reply *r);

/**
 * reply_text(r, content_type):
 * Answer 200 with what the caller appends to the body after this, which is no JSON.
 */
void reply_text(struct reply *r, const char *content_type);

/**
 * reply_refuse(r, why, details):
 * Answer the error of ${why}; ${details} is a JSON object, or absent.  Drops what stood in ${r} but
 * its headers.
 */
void reply_refuse(struct reply *r, enum refusal why, struct slice details);

/**
 * reply_unready(r, why):
 * Answer SERVICE_UNAVAILABLE with a message of the caller's: a reason for those who run the
 * service.
 */
void reply_unready(struct reply *r, const char *why);

/**
 * reply_settle(r, headers, body):
 * Give what is sent, as ${r} holds it.  Where memory was lacking for it, or it is over the limit: a
 * 500 that needs none, and ${r} is that from then on.
 */
void reply_settle(struct reply *r, struct slice *headers, struct slice *body);

/**
 * reply_refusal_of(v):
 * The refusal with which the verdict ${v} is told; REFUSAL_NONE for VERDICT_OK.
 */
enum refusal reply_refusal_of(enum verdict v);

#endif
