/* The minute's chores. */
#include "courier/house.h"

#include "adapters/store_ops.h"
#include "base/log.h"
#include "courier/courier.h"

#define EVERY_MS 60000
#define AGAIN_MS 10000 /* after chores that failed */
#define BATCH    1000  /* rows of a kind in one transaction, so that none is long */

int64_t
house_wait_ms(const struct courier *c, int64_t now_ms)
{
	if (c->is_housekeeping || c->is_stopping || c->is_reloading)
		return (-1);
	return (c->house_at_ms > now_ms ? c->house_at_ms - now_ms : 0);
}

/* They failed: not again for a while. */
static void
fail(struct courier *c, enum err e)
{
	log_warn("house.fail", LOG_STR("error", err_word(e)));
	c->house_at_ms = clock_mono_ms(&c->clock) + AGAIN_MS;
}

/* The old weeks are gone, and with them the last of the chores. */
static void
on_history(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;

	(void)rows;
	c->is_housekeeping = false;
	if (e != ERR_OK)
		fail(c, e);
	else
		log_debug("house.done", LOG_INT("batches", c->house_batches));
	c->house_batches = 0;
}

/* A batch is done: the next one at once where there is more. */
static void
on_rows(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;

	c->is_housekeeping = false;
	c->house_batches++;
	if (e != ERR_OK)
		fail(c, e);
	else if (store_housekeep_is_more(rows))
		c->house_at_ms = clock_mono_ms(&c->clock);
	else
		c->is_housekeeping =
		    store_history_ask(c->db, c->settings->history_s, on_history, c) == ERR_OK;
}

void
house_ask(struct courier *c, int64_t now_ms)
{
	if (house_wait_ms(c, now_ms) != 0)
		return;
	c->house_at_ms = now_ms + EVERY_MS;
	c->is_housekeeping = store_housekeep_ask(c->db, BATCH, on_rows, c) == ERR_OK;
}
