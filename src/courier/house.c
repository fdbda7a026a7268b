/* The minute's chores. */
#include "courier/house.h"

#include "adapters/store_ops.h"
#include "base/log.h"

#define BATCH       1000  /* rows of a kind in one transaction, so that none is long */
#define ROUNDS_MAX  1000  /* batches in one minute */
#define DEADLINE_MS 30000 /* a count of 1,000,000 channels takes a fraction of a second */

int64_t
house_keep(struct db *db, int64_t now_ms)
{
	bool is_done = true, is_more = true;
	enum err e = ERR_OK;
	int n;

	for (n = 0; n < ROUNDS_MAX && is_done && is_more && e == ERR_OK; n++)
		e = store_housekeep(db, BATCH, now_ms + DEADLINE_MS, &is_done, &is_more);
	if (e != ERR_OK)
		log_warn("house.fail", LOG_STR("error", err_word(e)));
	else
		log_debug("house.done", LOG_INT("batches", n), LOG_INT("mine", is_done ? 1 : 0));
	return (e == ERR_OK ? HOUSE_EVERY_MS : HOUSE_AGAIN_MS);
}
