#ifndef ADAPTERS_STORE_QUEUE_H
#define ADAPTERS_STORE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db_loop.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "domain/channel.h"
#include "domain/epoch.h"
#include "domain/severity.h"

/** A credential field of a claimed delivery, sealed; borrows the delivery's arena. */
struct store_field {
	const char *name;
	struct slice sealed;
	struct slice previous; /* a replaced secret that still signs; absent: none */
};

/** A delivery that was claimed; its texts live in `arena`, but for the payload. */
struct store_claimed {
	struct store_claimed *next; /* the owner's */
	struct arena *arena;
	struct uuid tenant, id, claim, channel, event, project;
	enum channel_type type;
	int64_t attempts; /* that counted, before this one */
	bool is_test;
	bool is_failing; /* the channel's last attempt failed, or took long */
	enum severity severity;
	const char *project_slug, *event_name;
	struct slice payload; /* JSON, NUL-terminated behind its length; absent: dropped */
	char *payload_text;   /* its memory */
	int64_t occurred_ms, accepted_ms;
	const char *progress; /* of e-mail, as store_outcome's; "" at first */
	struct store_field fields[CREDENTIALS_FIELDS_MAX];
	size_t nfields;
};

/** How many deliveries of one channel may be under way, and how much time lies between two. */
struct store_pace {
	int64_t flights, gap_ms; /* 0: no gap */
};

/** What is asked for in a claim. */
struct store_claim {
	struct uuid id;
	int64_t nfree, nfailing, lease_s;
	int64_t mail_daily_cap;    /* messages of a tenant; 0: no cap */
	const struct epoch *epoch; /* what the courier remembers; NULL: nothing */
	const char *courier;       /* its name */
	struct store_pace pace[CHANNEL__MAX];
};

/** Called with each delivery of a claim, which the callee then owns (store_claimed_free()). */
typedef void store_on_claimed(void *ctx, struct store_claimed *d);

/**
 * store_claim_ask(d, claim, done, ctx), store_claim_rows(rows, claim, each, ctx):
 * Claim deliveries; take them out of what ${done} is given.  A row that cannot be read is logged
 * and left to its lease.
 */
enum err store_claim_ask(
    struct db_loop *d, const struct store_claim *claim, db_loop_done *done, void *ctx) MUST_CHECK;
void store_claim_rows(
    const struct db_rows *rows, const struct uuid *claim, store_on_claimed *each, void *ctx);

/** What the database says of the courier's mark, and of its queue; the texts live as the rows. */
struct store_epoch {
	bool is_lost;  /* it lacks the mark, and holds its queue */
	bool has_next; /* is there a mark to remember from now on? */
	struct epoch next;
	struct slice held_at, held_by, why; /* absent: it is not held */
};

/**
 * store_epoch_ask(d, epoch, courier, done, ctx), store_epoch_read(rows, out):
 * Ask whether the database still knows ${epoch} (NULL: none); read what ${done} is given.
 * ERR_INTERNAL: it is not what it should be.
 */
enum err store_epoch_ask(struct db_loop *d, const struct epoch *epoch, const char *courier,
    db_loop_done *done, void *ctx) MUST_CHECK;
enum err store_epoch_read(const struct db_rows *rows, struct store_epoch *out) MUST_CHECK;

/**
 * store_claimed_free(d), store_claimed_drop_payload(d):
 * Free a delivery (may be NULL); only its payload, the largest part, when the message is made.
 */
void store_claimed_free(struct store_claimed *d);
void store_claimed_drop_payload(struct store_claimed *d);

/** How an attempt ended. */
struct store_outcome {
	struct uuid tenant, id, claim;
	const char *outcome; /* a word of domain/outcome */
	int64_t wait_ms;     /* until the next attempt; -1: the delivery ends */
	int64_t pause_ms;    /* nothing more to this channel so long */
	int64_t started_ms;  /* wall clock */
	int64_t duration_ms;
	int64_t code;                /* -1: none */
	const char *error, *excerpt; /* NULL: none */
	const char *progress;        /* kept for the next attempt; NULL: none */
	int64_t nmails;              /* messages that the relay took in this attempt */
};

/**
 * store_record_ask(d, outcomes, noutcomes, disable_s, courier, done, ctx):
 * Write down a batch of outcomes, which count as ${courier}'s.
 */
enum err store_record_ask(struct db_loop *d, const struct store_outcome *const outcomes[],
    size_t noutcomes, int64_t disable_s, const struct uuid *courier, db_loop_done *done,
    void *ctx) MUST_CHECK;

/** A delivery, and the claim under which somebody has it. */
struct store_lease {
	struct uuid tenant, id, claim;
};

/** Who a courier is, and what it has under way. */
struct store_beat {
	struct uuid courier;
	const char *name;
	const char *key_ids; /* as db_array_text() makes it */
	const struct store_lease *leases;
	size_t nleases, nflights; /* of the leases, those whose flights go on */
	int64_t lease_s;
};

/**
 * store_beat_ask(d, beat, done, ctx):
 * Say that the courier lives, and renew its leases.
 */
enum err store_beat_ask(
    struct db_loop *d, const struct store_beat *beat, db_loop_done *done, void *ctx) MUST_CHECK;

/**
 * store_leave_ask(d, courier, done, ctx):
 * Say that the courier ends.
 */
enum err store_leave_ask(
    struct db_loop *d, const struct uuid *courier, db_loop_done *done, void *ctx) MUST_CHECK;

/** A delivery that is given up half way; the texts are borrowed. */
struct store_back {
	const struct store_claimed *delivery;
	const char *progress; /* as store_outcome's */
	int64_t nmails;       /* as store_outcome's */
};

/**
 * store_hand_back_ask(d, backs, nbacks, done, ctx):
 * Give up claims: the deliveries may go at once, from any courier, from where they stood.
 */
enum err store_hand_back_ask(struct db_loop *d, const struct store_back *backs, size_t nbacks,
    db_loop_done *done, void *ctx) MUST_CHECK;

/**
 * store_notices_ask(d, limit, done, ctx):
 * Take notices for the operator; store_claim_rows() reads them.
 *
 * store_notice_done_ask(d, notice, done, ctx):
 * Say that the operator has got one.
 */
enum err store_notices_ask(
    struct db_loop *d, int64_t limit, db_loop_done *done, void *ctx) MUST_CHECK;
enum err store_notice_done_ask(struct db_loop *d, const struct store_claimed *notice,
    db_loop_done *done, void *ctx) MUST_CHECK;

#endif
