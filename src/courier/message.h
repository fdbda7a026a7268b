#ifndef COURIER_MESSAGE_H
#define COURIER_MESSAGE_H

#include "adapters/post.h"
#include "adapters/store_queue.h"
#include "base/uuid.h"
#include "domain/seal.h"
#include "domain/settings.h"
#include "domain/sign.h"

struct event;

#define MESSAGE_FIELDS_MAX  (SIGN_HEADERS_MAX + 1)
#define MESSAGE_SECRETS_MAX (2 * CREDENTIALS_FIELDS_MAX) /* each with the one that it replaced */

/** The opened credentials of a delivery; wiped by the clear. */
struct message_secrets {
	const char *names[MESSAGE_SECRETS_MAX]; /* "hmacSecret"; borrows the delivery */
	bool is_previous[MESSAGE_SECRETS_MAX];
	struct slice list[MESSAGE_SECRETS_MAX]; /* the first is where messages go */
	size_t nlist;
};

/**
 * message_secrets_init(s), message_secrets_clear(s), message_secrets_open(s, seals, d):
 * Open what is sealed in ${d}.  Errors as seal_open()'s; ERR_DAMAGED too where the channel has no
 * destination.
 */
void message_secrets_init(struct message_secrets *s);
void message_secrets_clear(struct message_secrets *s);
enum err message_secrets_open(
    struct message_secrets *s, struct seal_ring *seals, const struct store_claimed *d) MUST_CHECK;

/** What is sent; holds secrets. */
struct message {
	struct buf url, body;
	struct sign_headers signed_by; /* what the fields borrow */
	struct post_field fields[MESSAGE_FIELDS_MAX];
	size_t nfields;
};

/** An event that was read, for the next delivery that tells of it; all zero: none. */
struct message_event {
	struct uuid tenant, id;
	struct event *event;
};

/**
 * message_event_clear(e):
 * Free the event, leave none.
 *
 * message_init(m), message_clear(m):
 * Make an empty one; wipe it.
 *
 * message_http(m, last, d, secrets, now_ms):
 * Make the request that tells ${d}'s channel of its event, as it leaves at ${now_ms} (wall clock).
 * ${last} is the event of the delivery before, and then of this one.
 *
 * message_mail(m, d, settings, recipient, now_ms):
 * The same as an e-mail to ${recipient}, into the body.
 *
 * Both: ERR_NOMEM; ERR_DAMAGED: the stored event is none.
 */
void message_event_clear(struct message_event *e);
void message_init(struct message *m);
void message_clear(struct message *m);
enum err message_http(struct message *m, struct message_event *last, const struct store_claimed *d,
    const struct message_secrets *secrets, int64_t now_ms) MUST_CHECK;
enum err message_mail(struct message *m, const struct store_claimed *d,
    const struct settings *settings, struct slice recipient, int64_t now_ms) MUST_CHECK;

#endif
