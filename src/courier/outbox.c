/*
 * How attempts ended, written down in batches: while one batch is under way the next one gathers,
 * so that batches grow with the load by themselves.
 */
#include "courier/outbox.h"

#include <stdlib.h>

#include "base/log.h"
#include "courier/courier.h"

#define BATCH_MAX 1000
#define FULL      (2 * BATCH_MAX)
#define AGAIN_MS  1000 /* after a refusal */

/** An outcome with its texts. */
struct entry {
	struct entry *next;
	struct arena *arena;
	struct store_outcome outcome;
	uint64_t drop_from; /* with so many batches written it may go; 0: it was not refused */
};

struct outbox {
	struct entry *first, **last;
	size_t count;
	size_t nsent; /* how many of the first are under way; 0: none */
	size_t most;  /* in the next batch: BATCH_MAX, or fewer after one that was not written */
	uint64_t nwritten; /* batches */
	int64_t again_ms;  /* nothing is tried before then */
};

struct outbox *
outbox_new(void)
{
	struct outbox *o;

	if ((o = calloc(1, sizeof(*o))) != NULL) {
		o->last = &o->first;
		o->most = BATCH_MAX;
	}
	return (o);
}

/* Drop the first ${n}. */
static void
drop(struct outbox *o, size_t n)
{
	struct entry *e;

	for (; n > 0 && (e = o->first) != NULL; n--) {
		if ((o->first = e->next) == NULL)
			o->last = &o->first;
		o->count--;
		arena_free(e->arena);
		free(e);
	}
}

void
outbox_free(struct outbox *o)
{
	if (o == NULL)
		return;
	drop(o, o->count);
	free(o);
}

/* Copy a text that may be absent. */
static bool
keep(struct arena *a, const char **text)
{
	return (*text == NULL || (*text = arena_dup(a, slice_of(*text))) != NULL);
}

void
outbox_add(struct courier *c, const struct store_outcome *outcome)
{
	struct outbox *o = c->outbox;
	struct entry *e;

	if ((e = calloc(1, sizeof(*e))) == NULL || (e->arena = arena_small_new()) == NULL)
		goto fail;
	e->outcome = *outcome;
	if (!keep(e->arena, &e->outcome.error) || !keep(e->arena, &e->outcome.excerpt) ||
	    !keep(e->arena, &e->outcome.progress))
		goto fail;
	*o->last = e;
	o->last = &e->next;
	if (++o->count == FULL)
		log_warn("outbox.full", LOG_INT("outcomes", FULL),
		    LOG_STR("hint", "until they are written down nothing more is claimed"));
	return;
fail:
	log_error(
	    "outbox.memory", LOG_STR("hint", "an outcome is lost; the delivery goes once more"));
	if (e != NULL)
		arena_free(e->arena);
	free(e);
}

/* The first outcome goes behind all others, so that these need not wait for it. */
static void
put_last(struct outbox *o)
{
	struct entry *e = o->first;

	if (e->next == NULL)
		return;
	o->first = e->next;
	e->next = NULL;
	*o->last = e;
	o->last = &e->next;
}

/* The database does not take this one outcome.  Where it took others since it did so before, the
 * fault is the outcome's, and it must go; else the database's, and it is kept.  A reload, for which
 * nothing new is claimed, cannot wait for others. */
static void
refused(struct courier *c, enum err e)
{
	struct outbox *o = c->outbox;
	struct entry *first = o->first;
	char id[UUID_TEXT_SIZE];

	if (first->drop_from == 0 || (o->nwritten < first->drop_from && !c->is_reloading)) {
		first->drop_from = o->nwritten + 1;
		put_last(o);
		return;
	}
	uuid_text(&first->outcome.id, id);
	log_error("outbox.refused", LOG_STR("id", id), LOG_STR("error", err_word(e)));
	drop(o, 1);
}

/* A batch was not written for what is in it, a row that others hold, or one that is refused: in
 * smaller ones, until that one outcome is alone.  Returns how long to wait, in ms. */
static int64_t
not_written(struct courier *c, enum err e)
{
	struct outbox *o = c->outbox;

	if (o->nsent > 1) {
		o->most = o->nsent / 2;
		return (0);
	}
	if (e == ERR_DOWN) {
		put_last(o); /* the database has waited for the row */
		return (0);
	}
	refused(c, e);
	return (AGAIN_MS);
}

static void
written(struct courier *c)
{
	struct outbox *o = c->outbox;

	drop(o, o->nsent);
	o->nwritten++;
	o->most = o->most < BATCH_MAX / 2 ? 2 * o->most : BATCH_MAX;
	/* there is room in those channels again */
	c->claim_at_ms = clock_mono_ms(&c->clock);
}

/* The batch is written down; or the database is away, and it goes again with the next one: what was
 * written then has another claim by now, and is passed over. */
static void
on_done(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;
	int64_t wait_ms = 0;

	(void)rows;
	if (e == ERR_OK)
		written(c);
	else if (e == ERR_TIMEOUT || e == ERR_NOMEM ||
		 (e == ERR_DOWN && !db_loop_is_locked_out(c->db)))
		wait_ms = c->settings->poll_ms;
	else
		wait_ms = not_written(c, e);
	c->outbox->again_ms = clock_mono_ms(&c->clock) + wait_ms;
	c->outbox->nsent = 0;
}

int64_t
outbox_wait_ms(const struct courier *c, int64_t now_ms)
{
	const struct outbox *o = c->outbox;

	if (o->nsent > 0 || o->first == NULL)
		return (-1);
	return (o->again_ms > now_ms ? o->again_ms - now_ms : 0);
}

void
outbox_flush(struct courier *c)
{
	const struct store_outcome *batch[BATCH_MAX];
	struct outbox *o = c->outbox;
	struct entry *e = o->first;
	size_t n;

	if (outbox_wait_ms(c, clock_mono_ms(&c->clock)) != 0)
		return;
	for (n = 0; n < o->most && e != NULL; n++, e = e->next)
		batch[n] = &e->outcome;
	if (store_record_ask(c->db, batch, n, c->settings->disable_after_s, &c->id, on_done, c) ==
	    ERR_OK)
		o->nsent = n;
	else
		o->again_ms = clock_mono_ms(&c->clock) + AGAIN_MS;
}

bool
outbox_is_empty(const struct courier *c)
{
	return (c->outbox->first == NULL);
}

bool
outbox_is_full(const struct courier *c)
{
	return (c->outbox->count >= FULL);
}

size_t
outbox_leases(const struct courier *c, struct store_lease *list, size_t most)
{
	const struct entry *e;
	size_t n = 0;

	for (e = c->outbox->first; e != NULL && n < most; e = e->next) {
		list[n++] =
		    (struct store_lease){e->outcome.tenant, e->outcome.id, e->outcome.claim};
	}
	return (n);
}

size_t
outbox_count(const struct courier *c)
{
	return (c->outbox->count);
}
