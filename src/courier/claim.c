/*
 * From the queue into flights.  A courier that has nothing to do asks every poll_ms; one that got
 * all it asked for asks again at once.
 */
#include "courier/claim.h"

#include "base/crypt.h"
#include "base/log.h"
#include "courier/courier.h"
#include "courier/flight.h"
#include "courier/outbox.h"

/* How many deliveries of one channel may be under way, and how much time lies between two: what the
 * platforms bear (platforms.md; per webhook, measured against their published limits). */
/* clang-format off */
static const struct store_pace paces[CHANNEL__MAX] = {
	[CHANNEL_SLACK] = {1, 1000},
	[CHANNEL_TEAMS] = {1, 250},
	[CHANNEL_DISCORD] = {1, 400},
	[CHANNEL_GOOGLE_CHAT] = {1, 1000},
	[CHANNEL_WEBHOOK] = {8, 0},
	[CHANNEL_EMAIL] = {2, 0},
};
/* clang-format on */

/* Is there room for more, and may there be more? */
static bool
may_claim(const struct courier *c)
{
	return (!c->is_claiming && c->claimed == NULL && !c->is_stopping && !c->is_reloading &&
		c->nflights < (size_t)c->settings->max_flights && !outbox_is_full(c));
}

int64_t
claim_wait_ms(const struct courier *c, int64_t now_ms)
{
	if (c->claimed != NULL)
		return (0);
	if (!may_claim(c))
		return (-1);
	return (c->claim_at_ms > now_ms ? c->claim_at_ms - now_ms : 0);
}

/* A delivery of the claim. */
static void
on_claimed(void *ctx, struct store_claimed *d)
{
	struct courier *c = ctx;

	*c->claimed_at = d;
	c->claimed_at = &d->next;
}

/* The first of those that have come; NULL: none. */
static struct store_claimed *
pop(struct courier *c)
{
	struct store_claimed *d = c->claimed;

	if (d != NULL && (c->claimed = d->next) == NULL)
		c->claimed_at = &c->claimed;
	return (d);
}

void
claim_begin(struct courier *c, size_t most)
{
	struct store_claimed *d;

	while (most-- > 0 && (d = pop(c)) != NULL)
		flight_begin(c, d);
	if (c->claimed == NULL)
		message_event_clear(&c->claim_event);
}

void
claim_drop(struct courier *c)
{
	struct store_claimed *d;

	while ((d = pop(c)) != NULL)
		store_claimed_free(d);
}

/* The claim's answer. */
static void
on_rows(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;
	const int64_t now = clock_mono_ms(&c->clock);
	int64_t got = 0;

	c->is_claiming = false;
	if (e == ERR_OK) {
		got = (int64_t)db_nrows(rows);
		c->claimed_at = &c->claimed; /* none is left: else there was no claim */
		store_claim_rows(rows, &c->claim_id, on_claimed, c);
	}
	/* db has logged what failed; it tries to connect again by itself */
	c->claim_at_ms = e == ERR_OK && got == c->claim_asked ? now : now + c->settings->poll_ms;
}

void
claim_ask(struct courier *c, int64_t now_ms)
{
	struct store_claim claim = {
	    .lease_s = c->settings->lease_s, .mail_daily_cap = c->settings->mail_daily_cap};
	uint8_t random[10];
	size_t i;

	if (!may_claim(c) || now_ms < c->claim_at_ms)
		return;
	claim.epoch = c->has_epoch ? &c->epoch : NULL;
	claim.courier = c->name;
	claim.nfree = c->settings->max_flights - (int64_t)c->nflights;
	/* channels that fail share half of the flights */
	claim.nfailing = c->settings->max_flights / 2 - (int64_t)c->nfailing;
	if (claim.nfailing < 0)
		claim.nfailing = 0;
	for (i = 0; i < CHANNEL__MAX; i++)
		claim.pace[i] = paces[i];
	crypt_random(random, sizeof(random));
	uuid_v7(clock_wall_ms(&c->clock), random, &claim.id);
	c->claim_id = claim.id;
	c->claim_asked = claim.nfree;
	c->claim_at_ms = now_ms + c->settings->poll_ms;
	c->is_claiming = store_claim_ask(c->db, &claim, on_rows, c) == ERR_OK;
}
