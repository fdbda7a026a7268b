#ifndef ADAPTERS_POST_H
#define ADAPTERS_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "domain/outcome.h"
#include "domain/settings.h"

#define POST_BODY_MAX  (16 * 1024) /* bytes of an answer's body that are read */
#define POST_PEER_SIZE 46          /* an IPv6 address and its NUL */

/** All transfers of one event loop, with their connections.  One thread; blocks in nothing. */
struct post;

/** One transfer under way. */
struct post_flight;

/* What may happen at a descriptor. */
enum post_event {
	POST_READ = 1,
	POST_WRITE = 2,
	POST_ERROR = 4 /* only reported, never asked for */
};

/** What the caller's loop does for the post. */
struct post_watcher {
	/* Watch ${fd} for ${events} (POST_READ | POST_WRITE) in place of what was asked before, and
	 * call post_on_ready() each time (level-triggered).  0: forget it; it is about to close. */
	void (*watch)(void *ctx, int fd, unsigned int events);
	/* Call post_on_timer() in ${after_ms}, in place of what was asked before; -1: never. */
	void (*wake)(void *ctx, int64_t after_ms);
	void *ctx;
};

/** What came of a transfer.  Valid during the callback. */
struct post_result {
	struct outcome_answer
	    answer;         /* for outcome_classify(); of mail the body is the last reply */
	bool is_cut;        /* the body went on behind POST_BODY_MAX */
	bool is_reused;     /* over a connection that was there already */
	bool has_resolved;  /* the host's name was looked up for it, and found */
	int64_t connect_ms; /* until name, connection and TLS stood; 0: they never did */
	int64_t total_ms;
	char peer[POST_PEER_SIZE]; /* the address that was connected to; "" where none was */
	const char *detail;        /* libcurl's words, static, for logs; "" where all went well */
};

/** Called once for each transfer that was started and not cancelled; it may start others. */
typedef void post_done(void *ctx, const struct post_result *result);

/** A header field of a request. */
struct post_field {
	const char *name;
	struct slice value; /* without CR, LF and NUL; not empty */
};

/** A POST.  The body is borrowed until the end of the transfer, all else only by the start. */
struct post_http {
	struct slice url; /* https, as url_parse() takes it */
	const struct post_field *fields;
	size_t nfields;
	struct slice body;
};

/** A message to one recipient.  The message is borrowed until the end, all else by the start. */
struct post_mail {
	struct slice recipient; /* an address, as credentials_is_address() takes it */
	struct slice message;   /* RFC 5322, lines ending in CRLF; dots are doubled here */
};

/**
 * post_new(settings, watcher, why), post_free(p):
 * Make what transfers need, by ${settings} (borrowed): timeouts, egress policy, CA file, proxy,
 * relay; reads the password file now and the CA file when it is first needed.  SIGPIPE is ignored
 * from then on.  NULL: ${why} says what is wrong.  The free cancels what is under way, closes all
 * connections and takes NULL.
 */
struct post *post_new(const struct settings *settings, const struct post_watcher *watcher,
    struct buf *why) MUST_CHECK;
void post_free(struct post *p);

/**
 * post_http_start(p, message, done, ctx, out):
 * Begin to send ${message}; ${done} is called with ${ctx} when it has ended, never before this has
 * returned.  It goes out over verified TLS to an address that the egress policy allows, which is
 * looked at with every connection; redirects are not followed; nothing comes from cookies, .netrc
 * or the environment.  A host that the policy refuses ends the same way, as OUTCOME_WAY_EGRESS.
 * ${out} (NULL: not wanted) is for post_cancel(), until ${done} is called.
 * ERR_INVALID: the URL, or a field with a line break in it.  ERR_NOMEM.
 */
enum err post_http_start(struct post *p, const struct post_http *message, post_done *done,
    void *ctx, struct post_flight **out) MUST_CHECK;

/**
 * post_mail_start(p, message, done, ctx, out):
 * Begin to hand ${message} to the relay of the settings, in a transaction of its own, with
 * STARTTLS (or TLS from the start) and their user.  Else as post_http_start().  Without a relay it
 * ends as OUTCOME_WAY_SELF.  ERR_INVALID: the recipient.  ERR_NOMEM.
 */
enum err post_mail_start(struct post *p, const struct post_mail *message, post_done *done,
    void *ctx, struct post_flight **out) MUST_CHECK;

/**
 * post_cancel(f):
 * End ${f} now; its callback is not called.  Its connection is closed.
 */
void post_cancel(struct post_flight *f);

/**
 * post_on_ready(p, fd, events), post_on_timer(p):
 * What the watcher promised has happened.  Callbacks run from in here.
 */
void post_on_ready(struct post *p, int fd, unsigned int events);
void post_on_timer(struct post *p);

/**
 * post_count(p):
 * How many transfers are under way.
 */
size_t post_count(const struct post *p);

#endif
