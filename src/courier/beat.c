/* The courier's heart: who does not beat it loses its leases. */
#include "courier/beat.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/log.h"
#include "courier/claim.h"
#include "courier/courier.h"
#include "courier/flight.h"
#include "courier/outbox.h"

void
beat_name(struct courier *c)
{
	uint8_t random[10];
	char host[64] = "";

	crypt_random(random, sizeof(random));
	uuid_v7(clock_wall_ms(&c->clock), random, &c->id);
	(void)gethostname(host, sizeof(host) - 1);
	snprintf(c->name, sizeof(c->name), "%s:%ld", host, (long)getpid());
}

int64_t
beat_wait_ms(const struct courier *c, int64_t now_ms)
{
	if (c->is_beating || c->is_leaving)
		return (-1);
	return (c->beat_at_ms > now_ms ? c->beat_at_ms - now_ms : 0);
}

static void
on_done(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;

	(void)e; /* db has logged it; the next beat comes */
	(void)rows;
	c->is_beating = false;
}

/* The ids of the keys that this courier can open, as an array parameter. */
static void
put_keys(const struct courier *c, struct buf *b)
{
	char text[KEYRING_ID_TEXT];
	size_t i;

	for (i = 0; i < c->ring->nkeys; i++) {
		text_hex(c->ring->keys[i].id, KEYRING_ID_LEN, text);
		db_array_text(b, slice_of(text));
	}
	db_array_end(b);
}

void
beat_ask(struct courier *c, int64_t now_ms)
{
	struct store_beat beat = {
	    .courier = c->id, .name = c->name, .lease_s = c->settings->lease_s};
	const size_t noutcomes = outbox_count(c);
	struct store_lease *leases;
	struct buf keys;

	if (beat_wait_ms(c, now_ms) != 0)
		return;
	c->beat_at_ms = now_ms + c->settings->lease_s * 1000 / 3;
	if ((leases = calloc(c->nflights + noutcomes + 1, sizeof(*leases))) == NULL)
		return;
	flight_leases(c, leases);
	beat.leases = leases;
	beat.nflights = c->nflights;
	beat.nleases = c->nflights + outbox_leases(c, leases + c->nflights, noutcomes);
	buf_init(&keys, 8192);
	put_keys(c, &keys);
	beat.key_ids = buf_str(&keys);
	c->is_beating = store_beat_ask(c->db, &beat, on_done, c) == ERR_OK;
	buf_clear(&keys);
	free(leases);
}

static void
on_handed_back(void *ctx, enum err e, const struct db_rows *rows)
{
	(void)ctx;
	(void)rows;
	if (e != ERR_OK)
		log_warn("courier.handback", LOG_STR("error", err_word(e)),
		    LOG_STR("hint", "the leases will expire"));
}

void
beat_hand_back(struct courier *c)
{
	struct store_back *backs;
	size_t n;

	if ((backs = flight_backs(c, &n)) == NULL)
		return;
	if (n > 0) {
		log_info("courier.handback", LOG_INT("deliveries", (int64_t)n));
		(void)!store_hand_back_ask(c->db, backs, n, on_handed_back, c);
	}
	free(backs);
	flight_cancel_all(c);
	claim_drop(c);
}

static void
on_left(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;

	(void)rows;
	if (e != ERR_OK)
		log_warn("courier.leave", LOG_STR("error", err_word(e)),
		    LOG_STR("hint", "it counts as alive until its lease is over"));
	c->has_left = true;
}

void
beat_leave(struct courier *c)
{
	if (c->is_leaving)
		return;
	c->is_leaving = true;
	if (store_leave_ask(c->db, &c->id, on_left, c) != ERR_OK)
		c->has_left = true;
}
