#ifndef DOMAIN_SIGN_H
#define DOMAIN_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define SIGN_HEADERS_MAX 8

/** What a webhook delivery's headers are made of; all borrowed. */
struct sign_input {
	struct slice event;       /* "analysis.complete" */
	struct slice delivery_id; /* a UUID, the same on every attempt */
	int64_t timestamp_s;      /* of this attempt, Unix seconds */
	struct slice body;        /* the bytes that are sent */
	struct slice auth_header; /* the channel's, or absent */
	struct slice hmac_secret; /* likewise */
	struct slice old_secret;  /* the one it replaced, while that overlaps; else absent */
};

/** Header lines without their ends.  Secret: one may be Authorization. */
struct sign_headers {
	struct buf lines[SIGN_HEADERS_MAX]; /* "X-SigSentry-Event: analysis.complete" */
	size_t count;
};

/**
 * sign_make(in, out), sign_clear(out):
 * Put the headers of contract §5 into ${out}: always X-SigSentry-Event, X-SigSentry-Delivery,
 * webhook-id and webhook-timestamp; Authorization where the channel has one; X-SigSentry-Signature
 * and webhook-signature where it has a secret, and for the old one X-SigSentry-Signature-Previous
 * and a second entry of webhook-signature.  An old secret alone signs nothing.  A secret that is
 * "whsec_" and base64 is decoded for webhook-signature, as Standard Webhooks says; any other is
 * used as its bytes.  sign_clear() wipes, and is for every case.
 * ERR_INVALID: a value holds what no header may.  ERR_NOMEM.  Needs crypt_init().
 */
enum err sign_make(const struct sign_input *in, struct sign_headers *out) MUST_CHECK;
void sign_clear(struct sign_headers *h);

#endif
