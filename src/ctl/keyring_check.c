/* `keyring check`: does every stored value open with the keys that are here?  Changes nothing. */
#include "ctl/keyring_check.h"

#include <string.h>

#include "base/mem.h"
#include "ctl/keyring_cmd.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/sealed.h"
#include "domain/seal.h"

#define PAGE     1000
#define KEYS_MAX 256 /* ids that are told apart; rubbish in the database may name any */

/* What was found of one key. */
struct tally {
	uint8_t id[KEYRING_ID_LEN];
	int64_t values, opened;
};

struct check {
	const struct ctl *ctl;
	struct keyring *ring;
	struct sealed_opener opener;
	struct sealed_faults faults;
	struct progress progress;
	struct tally keys[KEYS_MAX];
	size_t nkeys;
	int64_t values, opened;
};

/* The tally of ${id}; behind KEYS_MAX, the last one. */
static struct tally *
tally_of(struct check *c, const uint8_t id[KEYRING_ID_LEN])
{
	size_t i;

	for (i = 0; i < c->nkeys; i++) {
		if (memcmp(c->keys[i].id, id, KEYRING_ID_LEN) == 0)
			return (&c->keys[i]);
	}
	if (c->nkeys == KEYS_MAX)
		return (&c->keys[KEYS_MAX - 1]);
	memcpy(c->keys[c->nkeys].id, id, KEYRING_ID_LEN);
	return (&c->keys[c->nkeys++]);
}

/* Open one value, and forget it. */
static enum err
look(struct check *c, const struct sealed_row *row, enum sealed_which which)
{
	uint8_t id[KEYRING_ID_LEN];
	struct tally *t = NULL;
	size_t len = 0;
	enum err e;

	if (row->boxes[which].ptr == NULL)
		return (ERR_OK);
	c->values++;
	if (seal_key_id(row->boxes[which], id) == ERR_OK)
		t = tally_of(c, id);
	if (t != NULL)
		t->values++;
	e = sealed_open(&c->opener, row, which, &len);
	mem_wipe(c->opener.plain, len);
	if (e == ERR_NOMEM)
		return (e);
	if (e != ERR_OK)
		return (sealed_fault(c->ctl, &c->faults, row, which, e));
	if (t != NULL) /* as it is: what opens names a key */
		t->opened++;
	c->opened++;
	return (ERR_OK);
}

static enum err
on_row(void *ctx, const struct sealed_row *row)
{
	struct check *c = ctx;
	enum err e = ERR_OK;
	int k;

	for (k = 0; k < SEALED__MAX && e == ERR_OK; k++)
		e = look(c, row, (enum sealed_which)k);
	progress_set(&c->progress, c->values);
	return (e);
}

static enum err
on_page(void *ctx)
{
	(void)ctx;
	return (ERR_OK);
}

/* What the key with ${id} is here. */
static const char *
state_of(const struct check *c, const uint8_t id[KEYRING_ID_LEN])
{
	const struct keyring_key *key = keyring_find(c->ring, id);

	return (key == NULL ? "missing" : keyring_state_words[keyring_state(c->ring, key)]);
}

/* The cells of a row for each key. */
static struct slice *
key_cells(const struct check *c)
{
	struct slice *cells = arena_alloc(c->ctl->arena, (4 * c->nkeys + 1) * sizeof(*cells));
	char id[KEYRING_ID_TEXT];
	size_t i;

	for (i = 0; cells != NULL && i < c->nkeys; i++) {
		text_hex(c->keys[i].id, KEYRING_ID_LEN, id);
		cells[4 * i] = slice_of(arena_dup(c->ctl->arena, slice_of(id)));
		cells[4 * i + 1] = slice_of(state_of(c, c->keys[i].id));
		cells[4 * i + 2] =
		    slice_of(arena_printf(c->ctl->arena, "%lld", (long long)c->keys[i].values));
		cells[4 * i + 3] =
		    slice_of(arena_printf(c->ctl->arena, "%lld", (long long)c->keys[i].opened));
	}
	return (cells);
}

static enum err
print(const struct check *c)
{
	static const struct output_col cols[] = {{"id", DB_TYPE_TEXT}, {"state", DB_TYPE_TEXT},
	    {"values", DB_TYPE_NUMBER}, {"opened", DB_TYPE_NUMBER}};
	const struct ctl *ctl = c->ctl;
	const struct output_table t = {cols, 4, key_cells(c), c->nkeys};
	enum err e;

	if (t.cells == NULL)
		return (ERR_NOMEM);
	if (!ctl->json) {
		if ((e = output_list(&t, false, ctl->arena, ctl->out)) != ERR_OK)
			return (e);
		buf_printf(ctl->out, "\n%lld values, %lld opened\n", (long long)c->values,
		    (long long)c->opened);
		return (sealed_faults_print(ctl, &c->faults, NULL));
	}
	buf_printf(ctl->out, "{\"values\":%lld,\"opened\":%lld,\"keys\":", (long long)c->values,
	    (long long)c->opened);
	if ((e = output_list(&t, true, ctl->arena, ctl->out)) != ERR_OK)
		return (e);
	ctl->out->len -= strlen("\n");
	buf_printf(ctl->out, ",\"unopened\":");
	e = sealed_faults_print(ctl, &c->faults, ctl->out);
	buf_printf(ctl->out, "}\n");
	return (e);
}

/* Go through all of them. */
static enum err
walk(struct check *c)
{
	const struct sealed_visitor visitor = {on_row, on_page, c, PAGE};
	int64_t total, none;
	enum err e;

	if ((e = sealed_counts(c->ctl, &total, &none, NULL)) != ERR_OK)
		return (e);
	progress_begin(&c->progress, "values", total);
	e = sealed_walk(c->ctl, NULL, &visitor);
	progress_end(&c->progress);
	return (e);
}

enum err
keyring_check_run(const struct ctl *ctl)
{
	struct check *c = arena_alloc(ctl->arena, sizeof(*c));
	enum err e;

	if (c == NULL)
		return (ERR_NOMEM);
	c->ctl = ctl;
	if ((c->ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	e = keyring_load_private(ctl, c->ring);
	if (e == ERR_OK)
		e = sealed_opener_init(ctl, &c->opener, c->ring);
	if (e == ERR_OK)
		e = walk(c);
	if (e == ERR_OK)
		e = print(c);
	sealed_opener_clear(&c->opener);
	keyring_free(c->ring);
	if (e == ERR_OK && c->faults.n > 0) {
		buf_printf(ctl->why,
		    "%zu of %lld values cannot be opened: bring a missing key back with "
		    "`sigsentryctl keyring import`; a damaged value must be set anew through the "
		    "API",
		    c->faults.n, (long long)c->values);
		e = ERR_DENIED;
	}
	return (e);
}
