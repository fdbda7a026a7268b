/*
 * A database that was restored from a backup is told by a mark that it has lost: what its queue
 * holds may have been sent already, and waits for an admin.  The database decides and holds
 * (sql/fn/epoch_is_lost.sql), with each claim; here the mark is kept, and told what is so.
 */
#include "courier/epoch.h"

#include <errno.h>
#include <string.h>

#include "adapters/epochfile.h"
#include "base/log.h"
#include "courier/courier.h"

#define EVERY_MS 20000
#define AGAIN_MS 5000 /* after a look that failed */

/* What to do about a held queue. */
#define CURE                                                                                   \
	"nothing leaves; `sigsentryctl queue status` shows what waits, `queue release` sends " \
	"all of it, `queue discard --before TIME` only what was published since then"

void
epoch_begin(struct courier *c)
{
	const char *path = c->settings->courier_state;
	enum err e;

	if (path[0] == '\0') {
		log_warn("epoch.none",
		    LOG_STR("hint",
			"courier_state is empty: a database that was restored while this courier "
			"did not run is not told"));
		return;
	}
	e = epochfile_load(path, &c->epoch);
	c->has_epoch = e == ERR_OK;
	/* The first start on a machine has none, and nobody is to be woken by that. */
	if (e == ERR_NOTFOUND)
		log_info("epoch.new", LOG_STR("path", path),
		    LOG_STR("hint", "a database that was restored before now is not told"));
	else if (e != ERR_OK)
		log_warn("epoch.load", LOG_STR("path", path), LOG_STR("error", err_word(e)),
		    LOG_STR("reason", e == ERR_IO ? strerror(errno) : NULL),
		    LOG_STR("hint",
			"it begins anew: a database that was restored before now is not told"));
}

int64_t
epoch_wait_ms(const struct courier *c, int64_t now_ms)
{
	if (c->is_checking || c->is_stopping || c->is_reloading)
		return (-1);
	if (db_loop_sessions(c->db) != c->epoch_session)
		return (0);
	return (c->epoch_at_ms > now_ms ? c->epoch_at_ms - now_ms : 0);
}

/* Keep the mark outside of the database.  Where that fails it is kept in memory alone. */
static void
save(struct courier *c)
{
	const char *path = c->settings->courier_state;
	enum err e;

	if (path[0] == '\0')
		return;
	if ((e = epochfile_save(path, &c->epoch)) == ERR_OK) {
		c->is_unsaved = false;
		return;
	}
	if (!c->is_unsaved)
		log_warn("epoch.save", LOG_STR("path", path), LOG_STR("error", err_word(e)),
		    LOG_STR("reason", strerror(errno)),
		    LOG_STR("hint",
			"make the folder of courier_state, writable by the courier's user; until "
			"then a restored database is told only while this courier runs"));
	c->is_unsaved = true;
}

/* Remember the mark that came, if it is another one. */
static void
remember(struct courier *c, const struct store_epoch *seen)
{
	if (!seen->has_next ||
	    (c->has_epoch && memcmp(&c->epoch.mark, &seen->next.mark, sizeof(c->epoch.mark)) == 0))
		return;
	c->epoch = seen->next;
	c->has_epoch = true;
	save(c);
}

/* Say, once, that the queue is held, or goes again. */
static void
tell(struct courier *c, const struct store_epoch *seen)
{
	const bool is_held = seen->is_lost || seen->held_at.ptr != NULL;

	if (is_held && !c->is_held && seen->is_lost)
		log_error("queue.held", LOG_SLICE("since", seen->held_at),
		    LOG_SLICE("by", seen->held_by), LOG_SLICE("why", seen->why),
		    LOG_STR("hint", CURE));
	else if (is_held && !c->is_held)
		log_warn("queue.held", LOG_SLICE("since", seen->held_at),
		    LOG_SLICE("by", seen->held_by), LOG_SLICE("why", seen->why),
		    LOG_STR("hint", CURE));
	else if (!is_held && c->is_held)
		log_info("queue.released");
	c->is_held = is_held;
}

static void
on_rows(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;
	struct store_epoch seen;

	c->is_checking = false;
	if (e != ERR_OK || store_epoch_read(rows, &seen) != ERR_OK) {
		/* db has logged it */
		c->epoch_at_ms = clock_mono_ms(&c->clock) + AGAIN_MS;
		return;
	}
	tell(c, &seen);
	remember(c, &seen);
}

void
epoch_ask(struct courier *c, int64_t now_ms)
{
	if (epoch_wait_ms(c, now_ms) != 0)
		return;
	c->epoch_at_ms = now_ms + EVERY_MS;
	c->epoch_session = db_loop_sessions(c->db);
	c->is_checking =
	    store_epoch_ask(c->db, c->has_epoch ? &c->epoch : NULL, c->name, on_rows, c) == ERR_OK;
}
