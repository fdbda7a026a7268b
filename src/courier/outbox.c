/*
 * How attempts ended, written down in batches: while one batch is under way the next one gathers,
 * so that batches grow with the load by themselves.
 */
#include "courier/outbox.h"

#include <stdlib.h>

#include "base/log.h"
#include "courier/courier.h"

#define BATCH_MAX 1000

/** An outcome with its texts. */
struct entry {
	struct entry *next;
	struct arena *arena;
	struct store_outcome outcome;
};

struct outbox {
	struct entry *first, **last;
	size_t count;
	size_t nsent; /* how many of the first are under way; 0: none */
	size_t most;  /* in the next batch: BATCH_MAX, or fewer after one that was refused */
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
	o->count++;
	return;
fail:
	log_error(
	    "outbox.memory", LOG_STR("hint", "an outcome is lost; the delivery goes once more"));
	if (e != NULL)
		arena_free(e->arena);
	free(e);
}

/* The database refuses the batch for what is in it, and would do so for ever: in smaller ones,
 * until the one outcome is alone that must go. */
static void
refused(struct outbox *o, enum err e)
{
	char id[UUID_TEXT_SIZE];

	if (o->nsent > 1) {
		o->most = o->nsent / 2;
		return;
	}
	uuid_text(&o->first->outcome.id, id);
	log_error("outbox.refused", LOG_STR("id", id), LOG_STR("error", err_word(e)));
	drop(o, 1);
	o->most = BATCH_MAX;
}

/* The batch is written down; or the database is away, and it goes again with the next one: what was
 * written then has another claim by now, and is passed over. */
static void
on_done(void *ctx, enum err e, const struct db_rows *rows)
{
	struct courier *c = ctx;
	struct outbox *o = c->outbox;

	(void)rows;
	if (e == ERR_OK) {
		drop(o, o->nsent);
		o->most = BATCH_MAX;
		/* there is room in those channels again */
		c->claim_at_ms = clock_mono_ms(&c->clock);
	} else if (e != ERR_DOWN && e != ERR_TIMEOUT && e != ERR_NOMEM) {
		refused(o, e);
	}
	o->nsent = 0;
}

void
outbox_flush(struct courier *c)
{
	const struct store_outcome *batch[BATCH_MAX];
	struct outbox *o = c->outbox;
	struct entry *e = o->first;
	size_t n;

	if (o->nsent > 0 || e == NULL)
		return;
	for (n = 0; n < o->most && e != NULL; n++, e = e->next)
		batch[n] = &e->outcome;
	if (store_record_ask(c->db, batch, n, c->settings->disable_after_s, &c->id, on_done, c) ==
	    ERR_OK)
		o->nsent = n;
}

bool
outbox_is_empty(const struct courier *c)
{
	return (c->outbox->first == NULL);
}
