#ifndef DOMAIN_OUTCOME_H
#define DOMAIN_OUTCOME_H

#include <stdint.h>

#include "base/text.h"
#include "domain/credentials.h"

#define OUTCOME_REASON_SIZE 160 /* bytes of a reason and its NUL */

/**
 * How an attempt ended (contract §5).  There are five words and one of them stands for all that is
 * permanent: `refused` ends the delivery as failed at once, whether the destination said no for
 * good or the egress policy never let us ask.  The channel stays on; only `gone` switches it off.
 */
enum outcome {
	OUTCOME_OK = 0,  /* delivered */
	OUTCOME_RETRY,   /* try again, by the schedule */
	OUTCOME_REFUSED, /* permanent: the delivery has failed */
	OUTCOME_GONE,  /* permanent, and the channel is switched off: its destination is no more */
	OUTCOME_LOCAL, /* our own fault: uses up no attempt, try again in a minute */
	OUTCOME__MAX
};

/* "ok", "retry", "refused", "gone", "local": as in the API, the database and the logs. */
extern const char *const outcome_words[OUTCOME__MAX];

/** How far the network let us come. */
enum outcome_way {
	OUTCOME_WAY_ANSWERED = 0, /* a whole answer, or as much of one as we read */
	OUTCOME_WAY_NAME,         /* the resolver found no address, or no answer in time */
	OUTCOME_WAY_CONNECT,      /* no connection: refused, unreachable */
	OUTCOME_WAY_TLS,          /* no TLS: the handshake failed, or STARTTLS is not offered */
	OUTCOME_WAY_CERTIFICATE,  /* a certificate that does not verify, or is for another name */
	OUTCOME_WAY_TIMEOUT,      /* connected or not, the time was over */
	OUTCOME_WAY_CUT,          /* the connection ended or broke before the answer did */
	OUTCOME_WAY_LARGE,        /* an answer's header over all bounds */
	OUTCOME_WAY_EGRESS,       /* the egress policy refused the host or each of its addresses */
	OUTCOME_WAY_PROXY,        /* the egress proxy is away or broken */
	OUTCOME_WAY_SELF, /* something of ours: memory, descriptors, the CA file, no relay */
	OUTCOME_WAY__MAX
};

/* "answered", "name", "connect", …: for logs. */
extern const char *const outcome_way_words[OUTCOME_WAY__MAX];

/** The command that was under way when an SMTP transaction ended (RFC 5321 §4.1.1, RFC 3207). */
enum outcome_step {
	OUTCOME_STEP_CONNECT = 0, /* up to the greeting */
	OUTCOME_STEP_EHLO,
	OUTCOME_STEP_STARTTLS,
	OUTCOME_STEP_AUTH,
	OUTCOME_STEP_MAIL,
	OUTCOME_STEP_RCPT,
	OUTCOME_STEP_DATA,    /* the command */
	OUTCOME_STEP_MESSAGE, /* the message itself, up to the reply to its last dot */
	OUTCOME_STEP__MAX
};

/* "connect", "EHLO", "STARTTLS", …: as in RFC 5321. */
extern const char *const outcome_step_words[OUTCOME_STEP__MAX];

/** What was measured of one attempt.  All borrowed; absent slices where there was none. */
struct outcome_answer {
	enum outcome_way way;
	enum outcome_step step;   /* of e-mail */
	int status;               /* HTTP status, or SMTP reply code; 0: none came */
	struct slice host;        /* of the URL, lower case */
	struct slice body;        /* as much as was read of it */
	struct slice retry_after; /* the field's value */
	struct slice rate_remaining, rate_reset_after; /* X-RateLimit-Remaining, -Reset-After */
};

/** What that means. */
struct outcome_finding {
	enum outcome outcome;
	int64_t wait_ms; /* the destination asked to be left alone for so long; 0: it did not */
	char reason[OUTCOME_REASON_SIZE]; /* for a person; quotes nothing of the answer but codes
					     and words that we know; "" where the outcome is ok */
};

/**
 * outcome_classify(type, answer, now_ms, out):
 * Judge ${answer}, from a channel of ${type}, by contract §5 and platforms.md; ${now_ms} is the
 * wall clock, for waits that name a date.  A wait is found with any outcome but `gone` and `local`:
 * Retry-After, the JSON of Slack and Discord, and Discord's used-up bucket; the longest counts.
 */
void outcome_classify(enum channel_type type, const struct outcome_answer *answer, int64_t now_ms,
    struct outcome_finding *out);

#endif
