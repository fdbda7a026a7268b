#ifndef DOMAIN_RENDER_H
#define DOMAIN_RENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "domain/credentials.h"
#include "domain/event.h"

/* A message that leaves later than this after its event was accepted says so. */
#define RENDER_LATE_MS (5 * 60 * 1000)

/* Bytes that any message stays below: what a caller's buf must allow. */
#define RENDER_MAX (EVENT_PAYLOAD_MAX + 64 * 1024)

/** What every renderer gets; all borrowed. */
struct render_input {
	const struct event *event;
	struct slice delivery_id;  /* a UUID, the same on every attempt */
	struct slice channel_name; /* may be absent */
	int64_t now_ms;            /* when this attempt leaves */
	bool is_test;
};

/** What an e-mail needs beside that. */
struct render_mail {
	struct slice from;   /* "alerts@example.org" or "SigSentry <alerts@example.org>" */
	struct slice to;     /* one address, ASCII */
	struct slice domain; /* of the envelope sender; stands in Message-ID and List-Id */
};

/**
 * render_slack(in, out), render_teams(), render_discord(), render_google_chat(), render_webhook():
 * Append the body of a POST that tells a channel of ${in}'s event to ${out}, whose limit is at
 * least RENDER_MAX.  Each keeps its platform's limits and leaves untrusted text text, whatever the
 * event holds (platforms.md §§1–5, §7); the webhook's is contract §5's.
 *
 * render_email(in, mail, out):
 * The same as a whole RFC 5322 message for one recipient, CR LF at every line's end, ASCII alone.
 * ERR_INVALID: an address or the domain holds what no header may.
 *
 * ERR_NOMEM: no memory, or ${out}'s limit is too low; ${out} then holds a part.
 */
enum err render_slack(const struct render_input *in, struct buf *out) MUST_CHECK;
enum err render_teams(const struct render_input *in, struct buf *out) MUST_CHECK;
enum err render_discord(const struct render_input *in, struct buf *out) MUST_CHECK;
enum err render_google_chat(const struct render_input *in, struct buf *out) MUST_CHECK;
enum err render_webhook(const struct render_input *in, struct buf *out) MUST_CHECK;
enum err render_email(
    const struct render_input *in, const struct render_mail *mail, struct buf *out) MUST_CHECK;

/**
 * render_discord_url(stored, delivery_id, out):
 * Append where a Discord message is sent to: ${stored} with /api/v10/ for its version, without what
 * follows the token (/slack, /github), with wait=true and of its own query only thread_id.  A
 * path of another form (a host that the config adds) stays as it is.
 *
 * render_google_chat_url(stored, delivery_id, out):
 * Append where a Google Chat message is sent to: ${stored} with messageReplyOption, without which
 * the thread key is ignored, and ${delivery_id} for a requestId, so that a repeat makes no second
 * message.
 *
 * render_stored_url(stored, delivery_id, out):
 * Append ${stored}: for those who need no other.
 *
 * All take a URL that was checked when it was stored.  ${out} holds a secret then.  ERR_NOMEM.
 */
enum err render_discord_url(
    struct slice stored, struct slice delivery_id, struct buf *out) MUST_CHECK;
enum err render_google_chat_url(
    struct slice stored, struct slice delivery_id, struct buf *out) MUST_CHECK;
enum err render_stored_url(
    struct slice stored, struct slice delivery_id, struct buf *out) MUST_CHECK;

/** What is POSTed to a type of channel, and where to. */
struct render_post {
	enum err (*body)(const struct render_input *in, struct buf *out);
	enum err (*url)(struct slice stored, struct slice delivery_id, struct buf *out);
	const char *content_type;
};

/* By type; of CHANNEL_EMAIL all is NULL: render_email() has its own way. */
extern const struct render_post render_posts[CHANNEL__MAX];

#endif
