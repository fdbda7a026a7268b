/*
 * The courier's one loop: who waits for what, and for how long.  Signals, the database's socket and
 * all of curl's are descriptors in it; every room says when it must be asked again.
 */
#include "courier/work.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "adapters/store_ops.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/notify.h"
#include "base/wipefree.h"
#include "courier/beat.h"
#include "courier/claim.h"
#include "courier/courier.h"
#include "courier/epoch.h"
#include "courier/flight.h"
#include "courier/house.h"
#include "courier/notice.h"
#include "courier/outbox.h"
#include "sql_version.h"

#define LAST_WORDS_MS 5000 /* how long a courier that ends tries to write down what it knows */

/** A post and the settings that it borrows.  After a reload it stays until its transfers have
 * ended. */
struct gear {
	struct gear *older;
	struct courier *c;
	const struct settings *settings;
	struct post *post;
	int64_t wake_ms; /* when post_on_timer() is due, monotonic; -1: never */
};

/** The courier with what only this room looks at. */
struct work {
	struct courier c;
	const struct cmdline *source;
	int signal_fd;
	struct notify_watchdog watchdog;
};

/* Curl's wishes
 * ------------------------------------------------------------------------------------ */

static void
on_post_ready(void *ctx, int fd, short events)
{
	struct gear *g = ctx;
	unsigned int e = 0;

	e |= (events & POLLIN) != 0 ? POST_READ : 0;
	e |= (events & POLLOUT) != 0 ? POST_WRITE : 0;
	post_on_ready(g->post, fd, e);
}

static void
watch(void *ctx, int fd, unsigned int events)
{
	struct gear *g = ctx;
	short e = 0;

	e = (short)(e | ((events & POST_READ) != 0 ? POLLIN : 0));
	e = (short)(e | ((events & POST_WRITE) != 0 ? POLLOUT : 0));
	if (loop_watch(g->c->loop, fd, e, on_post_ready, g) != ERR_OK)
		log_error("loop.watch", LOG_STR("error", strerror(errno)));
}

static void
wake(void *ctx, int64_t after_ms)
{
	struct gear *g = ctx;

	g->wake_ms = after_ms < 0 ? -1 : clock_mono_ms(&g->c->clock) + after_ms;
}

/* Takes NULL. */
static void
gear_free(struct gear *g)
{
	if (g == NULL)
		return;
	post_free(g->post);
	settings_free(g->settings);
	free(g);
}

/* Call the timers that are due, and drop the posts that were replaced and have nothing more to do.
 * Not from within a callback of theirs. */
static void
turn_gears(struct courier *c, int64_t now_ms)
{
	struct gear **at = &c->gears, *g;

	while ((g = *at) != NULL) {
		if (g->wake_ms >= 0 && now_ms >= g->wake_ms) {
			g->wake_ms = -1;
			post_on_timer(g->post);
		}
		if (g->post != c->post && post_count(g->post) == 0) {
			*at = g->older;
			gear_free(g);
		} else {
			at = &g->older;
		}
	}
}

/* The database's socket
 * ---------------------------------------------------------------------------- */

static void
on_db_ready(void *ctx, int fd, short events)
{
	struct courier *c = ctx;

	(void)fd;
	(void)events;
	db_loop_ready(c->db, clock_mono_ms(&c->clock));
}

/* Every connection has another one. */
static void
watch_db(struct courier *c)
{
	int fd = db_loop_fd(c->db);
	short events = db_loop_events(c->db);

	/* a new socket of the next address may have the number of the one before: epoll has
	 * forgotten that one */
	if (fd == c->db_fd && events == c->db_events && !db_loop_is_connecting(c->db))
		return;
	if (c->db_fd >= 0 && c->db_fd != fd)
		(void)!loop_watch(c->loop, c->db_fd, 0, NULL, NULL);
	if (fd >= 0 && loop_watch(c->loop, fd, events, on_db_ready, c) != ERR_OK)
		log_error("loop.watch", LOG_STR("error", strerror(errno)));
	c->db_fd = fd;
	c->db_events = events;
}

/* Settings and keys
 * -------------------------------------------------------------------------------- */

/** All that is made anew with every reading of the config. */
struct fresh {
	const struct settings *settings; /* the gear's */
	struct keyring *ring;
	struct seal_ring *seals;
	struct db_loop *db;
	struct gear *gear;
};

static void
fresh_free(struct fresh *f)
{
	db_loop_free(f->db);
	seal_ring_free(f->seals);
	keyring_free(f->ring);
	gear_free(f->gear);
}

/* Load the private keyring. */
static enum err
load_keys(struct fresh *f, struct buf *why)
{
	enum err e;

	if ((f->ring = keyring_new()) == NULL) {
		buf_printf(why,
		    "memory cannot be locked: raise LimitMEMLOCK (systemd) or ulimit -l to "
		    "256 KiB or more");
		return (ERR_NOMEM);
	}
	if ((e = keyfile_load(f->settings->keyring_private, f->ring)) != ERR_OK) {
		buf_printf(why, "the keyring %s cannot be read (see above): %s",
		    f->settings->keyring_private, err_word(e));
		return (e);
	}
	if (!f->ring->has_private) {
		buf_printf(why, "%s holds no private keys: set keyring_private",
		    f->settings->keyring_private);
		return (ERR_INVALID);
	}
	f->seals = seal_ring_new(f->ring);
	return (f->seals == NULL ? ERR_NOMEM : ERR_OK);
}

static enum err
make_fresh(struct work *w, struct fresh *f, struct buf *why)
{
	struct post_watcher watcher = {watch, wake, NULL};
	struct db_options db = {.user = "sigsentry_courier",
	    .application = "sigsentry-courier",
	    .schema_query = store_schema_query(STORE_OF_COURIER),
	    .schema_min = SQL_SCHEMA_VERSION};
	enum err e;

	memset(f, 0, sizeof(*f));
	if ((watcher.ctx = f->gear = calloc(1, sizeof(*f->gear))) == NULL)
		return (ERR_NOMEM);
	f->gear->c = &w->c;
	f->gear->wake_ms = -1;
	f->settings = f->gear->settings =
	    settings_load(w->source->config, w->source->overrides, w->source->noverrides, why);
	if (f->settings == NULL)
		return (ERR_INVALID);
	if ((e = load_keys(f, why)) != ERR_OK)
		return (e);
	db.conninfo = f->settings->database;
	db.lock_timeout_ms = f->settings->lock_timeout_ms;
	f->db = db_loop_new(&db);
	f->gear->post = post_new(f->settings, &watcher, why);
	return (f->db == NULL || f->gear->post == NULL ? ERR_NOMEM : ERR_OK);
}

/* Put the fresh ones in place of what there is.  What is under way goes on over the post that it
 * began with. */
static void
take_fresh(struct courier *c, const struct fresh *f)
{
	struct fresh old = {.ring = c->ring, .seals = c->seals, .db = c->db};

	c->settings = f->settings;
	c->ring = f->ring;
	c->seals = f->seals;
	if (c->db_fd >= 0)
		(void)!loop_watch(c->loop, c->db_fd, 0, NULL, NULL);
	c->db_fd = -1;
	c->db = f->db;
	c->post = f->gear->post;
	f->gear->older = c->gears;
	c->gears = f->gear;
	fresh_free(&old);
	log_setup("sigsentry-courier", (enum log_level)c->settings->log_level);
}

/* Nothing is asked of the database: read config and keyring again. */
static void
reload(struct work *w)
{
	struct courier *c = &w->c;
	struct fresh f;
	struct buf why;

	c->is_reloading = false;
	buf_init(&why, 4096);
	if (make_fresh(w, &f, &why) == ERR_OK) {
		take_fresh(c, &f);
		c->beat_at_ms = 0;
		c->house_at_ms = 0;
		c->epoch_at_ms = 0;
		log_info("courier.reload", LOG_STR("config", w->source->config));
	} else {
		fresh_free(&f);
		log_error("courier.reload", LOG_STR("error", buf_str(&why)),
		    LOG_STR("hint", "the old settings stay"));
	}
	buf_clear(&why);
	notify("READY=1");
}

/* Signals
 * ------------------------------------------------------------------------------------------ */

static void
on_signal(void *ctx, int fd, short events)
{
	struct work *w = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			notify("RELOADING=1");
			w->c.is_reloading = true;
			continue;
		}
		if (!w->c.is_stopping) {
			notify("STOPPING=1");
			log_info("courier.drain", LOG_INT("flights", (int64_t)w->c.nflights));
			w->c.drain_at_ms =
			    clock_mono_ms(&w->c.clock) + w->c.settings->drain_s * 1000;
		}
		w->c.is_stopping = true;
	}
}

/* They come by descriptor, so that nothing interrupts anything. */
static enum err
open_signals(struct work *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return (ERR_IO);
	if ((w->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
		return (ERR_IO);
	return (loop_watch(w->c.loop, w->signal_fd, POLLIN, on_signal, w));
}

/* The loop
 * ----------------------------------------------------------------------------------------- */

/* The shorter of two waits, of which -1 is none. */
static int64_t
sooner(int64_t a, int64_t b)
{
	return (a < 0 ? b : b < 0 || a < b ? a : b);
}

/* Has all been said that a courier says before it goes, but that it goes? */
static bool
is_through(const struct courier *c)
{
	return (c->is_stopping && c->nflights == 0 && c->claimed == NULL &&
		(c->nnotices == 0 || clock_mono_ms(&c->clock) >= c->drain_at_ms) &&
		outbox_is_empty(c) && db_loop_is_idle(c->db));
}

/* How long nothing need be done. */
static int64_t
how_long(struct courier *c, int64_t now_ms)
{
	const struct gear *g;
	int64_t wait = -1, end_ms;

	if (is_through(c))
		return (0);
	wait = sooner(wait, claim_wait_ms(c, now_ms));
	wait = sooner(wait, beat_wait_ms(c, now_ms));
	wait = sooner(wait, epoch_wait_ms(c, now_ms));
	wait = sooner(wait, house_wait_ms(c, now_ms));
	wait = sooner(wait, notice_wait_ms(c, now_ms));
	wait = sooner(wait, outbox_wait_ms(c, now_ms));
	wait = sooner(wait, db_loop_wait_ms(c->db, now_ms));
	for (g = c->gears; g != NULL; g = g->older) {
		if (g->wake_ms >= 0)
			wait = sooner(wait, g->wake_ms > now_ms ? g->wake_ms - now_ms : 0);
	}
	if (c->is_stopping) {
		end_ms = c->drain_at_ms + (now_ms < c->drain_at_ms ? 0 : LAST_WORDS_MS);
		wait = sooner(wait, end_ms > now_ms ? end_ms - now_ms : 0);
	}
	return (wait);
}

/* Everybody whose time has come. */
static void
turn(struct work *w)
{
	struct courier *c = &w->c;
	int64_t now = clock_mono_ms(&c->clock);

	notify_watchdog_feed(&w->watchdog, now);
	turn_gears(c, now);
	if (c->is_stopping && now >= c->drain_at_ms && (c->nflights > 0 || c->claimed != NULL))
		beat_hand_back(c);
	claim_begin(c, CLAIM_BEGIN_SOME); /* some end at once, with an outcome */
	outbox_flush(c);
	if (is_through(c))
		beat_leave(c);
	claim_ask(c, now);
	beat_ask(c, now);
	epoch_ask(c, now);
	house_ask(c, now);
	notice_ask(c, now);
	db_loop_ready(c->db, now);
	if (c->is_reloading && outbox_is_empty(c) && db_loop_is_idle(c->db))
		reload(w);
	watch_db(c);
	now = clock_mono_ms(&c->clock);
	loop_wait(c->loop, sooner(how_long(c, now), notify_watchdog_wait_ms(&w->watchdog, now)));
}

/* May it go?  What cannot be written down is left to its leases after a while. */
static bool
is_over(const struct courier *c)
{
	return (c->has_left || (c->is_stopping && c->nflights == 0 &&
				   clock_mono_ms(&c->clock) >= c->drain_at_ms + LAST_WORDS_MS));
}

/* Make all that there must be before the first turn. */
static enum err
begin(struct work *w, struct buf *why)
{
	struct courier *c = &w->c;
	struct fresh f;

	wipefree_enable();
	if (crypt_init() != ERR_OK) {
		buf_printf(why,
		    "the crypto library cannot begin; if memory cannot be locked: raise "
		    "LimitMEMLOCK (systemd) or ulimit -l to 256 KiB or more");
		return (ERR_NOMEM);
	}
	c->clock = clock_system();
	notify_watchdog_init(&w->watchdog);
	c->db_fd = -1;
	if ((c->loop = loop_new()) == NULL || (c->outbox = outbox_new()) == NULL ||
	    open_signals(w) != ERR_OK) {
		buf_printf(why, "cannot wait for events: %s", strerror(errno));
		return (ERR_IO);
	}
	if (make_fresh(w, &f, why) != ERR_OK) {
		fresh_free(&f);
		return (ERR_INVALID);
	}
	take_fresh(c, &f);
	beat_name(c);
	epoch_begin(c);
	return (ERR_OK);
}

int
work_run(const struct cmdline *source)
{
	struct work w = {.source = source};
	struct gear *g;
	struct buf why;

	buf_init(&why, 4096);
	if (begin(&w, &why) != ERR_OK)
		fatal("%s", buf_str(&why));
	buf_clear(&why);
	log_info("courier.ready", LOG_STR("name", w.c.name));
	notify("READY=1");
	while (!is_over(&w.c))
		turn(&w);
	log_info("courier.stop");
	claim_drop(&w.c);
	flight_cancel_all(&w.c);
	outbox_free(w.c.outbox);
	fresh_free(&(struct fresh){.ring = w.c.ring, .seals = w.c.seals, .db = w.c.db});
	while ((g = w.c.gears) != NULL) {
		w.c.gears = g->older;
		gear_free(g);
	}
	loop_free(w.c.loop);
	return (0);
}
