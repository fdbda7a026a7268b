/*
 * `keyring reseal`: every value that is sealed to another key than the active one is opened, sealed
 * anew and put in place of the old one, if that still stands there.  A page of rows is one short
 * transaction that waits for nobody; nothing is remembered in between, as the values themselves say
 * what is left to do.  All that is opened stays in locked memory, and is wiped.
 */
#include "ctl/keyring_reseal.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "ctl/keyring_cmd.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/sealed.h"
#include "domain/seal.h"
#include "sql_queries.h"

#define PAGE       200 /* rows: about 30 ms of work, a few of them in a transaction */
#define ARRAY_MAX  (32 * 1024 * 1024) /* bytes of an array parameter */
#define CONTEXT_MS 60000              /* of a sealing context; SEAL_CONTEXT_USES ends it before */
#define PASSES_MAX 5                  /* through what was changed or held by others meanwhile */

/* The arrays of sql/q/admin_keyring_reseal.sql. */
enum { A_TENANT = 0, A_CHANNEL, A_FIELD, A_OLD, A_NEW, A_OLD_PREVIOUS, A_NEW_PREVIOUS, A__MAX };

struct reseal {
	const struct ctl *ctl;
	struct keyring *ring;
	char id[KEYRING_ID_TEXT];
	struct sealed_opener opener;
	struct seal_sender *sender;
	struct sealed_faults faults;
	struct progress progress;
	struct buf arrays[A__MAX];
	int64_t asked;    /* values in the arrays */
	int64_t seen;     /* rows, of this pass */
	int64_t missed;   /* of this pass: others were at them */
	int64_t resealed; /* of all */
};

static void
arrays_reset(struct reseal *r)
{
	int i;

	for (i = 0; i < A__MAX; i++)
		buf_reset(&r->arrays[i]);
	r->asked = 0;
}

/* Open a value and seal it anew into ${box}. */
static enum err
seal_anew(struct reseal *r, const struct sealed_row *row, enum sealed_which which, struct buf *box)
{
	const struct clock c = clock_system();
	struct uuid channel;
	const struct seal_where where = {&channel, row->type.ptr, row->field.ptr};
	size_t len = 0;
	enum err e;

	if ((e = sealed_open(&r->opener, row, which, &len)) == ERR_OK &&
	    (e = uuid_parse(row->channel, &channel)) == ERR_OK)
		e = seal_close(
		    r->sender, clock_mono_ms(&c), &where, slice_make(r->opener.plain, len), box);
	mem_wipe(r->opener.plain, len);
	return (e);
}

/* Append a value and what comes in its place to the arrays; NULLs where it stays. */
static enum err
put_value(struct reseal *r, const struct sealed_row *row, enum sealed_which which, struct buf *box)
{
	struct buf *old = &r->arrays[A_OLD + 2 * (int)which];
	enum err e = ERR_OK;

	buf_reset(box);
	if (row->boxes[which].ptr != NULL && (e = seal_anew(r, row, which, box)) == ERR_OK) {
		r->asked++;
		db_array_bytes(old, row->boxes[which]);
		db_array_bytes(old + 1, buf_slice(box));
		return (ERR_OK);
	}
	db_array_null(old);
	db_array_null(old + 1);
	if (e == ERR_DAMAGED || e == ERR_NOKEY || e == ERR_SPACE)
		e = sealed_fault(r->ctl, &r->faults, row, which, e);
	return (e);
}

static enum err
on_row(void *ctx, const struct sealed_row *row)
{
	struct reseal *r = ctx;
	enum err e = ERR_OK;
	struct buf box;
	int k;

	progress_set(&r->progress, ++r->seen);
	if (row->boxes[SEALED_CURRENT].ptr == NULL && row->boxes[SEALED_PREVIOUS].ptr == NULL)
		return (ERR_OK);
	db_array_text(&r->arrays[A_TENANT], row->tenant);
	db_array_text(&r->arrays[A_CHANNEL], row->channel);
	db_array_text(&r->arrays[A_FIELD], row->field);
	buf_init(&box, SEAL_OVERHEAD + SEAL_PLAIN_MAX);
	for (k = 0; k < SEALED__MAX && e == ERR_OK; k++)
		e = put_value(r, row, (enum sealed_which)k, &box);
	buf_clear(&box);
	return (e);
}

/* Write what the page has given. */
static enum err
on_page(void *ctx)
{
	struct reseal *r = ctx;
	struct db_param params[A__MAX];
	struct db_rows *rows = NULL;
	int64_t n = 0;
	enum err e = ERR_OK;
	int i;

	for (i = 0; i < A__MAX; i++) {
		db_array_end(&r->arrays[i]);
		params[i] = db_param_text(slice_of(buf_str(&r->arrays[i])));
		e = buf_ok(&r->arrays[i]) ? e : ERR_SPACE;
	}
	if (e == ERR_OK && r->asked > 0) {
		e = db_call(r->ctl->db, &Q_ADMIN_KEYRING_RESEAL, params, A__MAX,
		    ctl_deadline(CTL_DEADLINE_MS), &rows);
		n = e == ERR_OK ? db_int(rows, 0, 0, 0) : 0;
		if (e != ERR_OK)
			e = ctl_db_fault(r->ctl, r->ctl->db, e);
		db_rows_free(rows);
	}
	r->resealed += n;
	r->missed += r->asked - n;
	arrays_reset(r);
	return (e);
}

/* Go through all values once. */
static enum err
pass(struct reseal *r)
{
	const struct sealed_visitor visitor = {on_row, on_page, r, PAGE};
	int64_t total, none;
	enum err e;

	r->seen = r->missed = 0;
	memset(&r->faults, 0, sizeof(r->faults));
	if ((e = sealed_counts(r->ctl, &total, &none, NULL)) != ERR_OK)
		return (e);
	progress_begin(&r->progress, "values", total);
	e = sealed_walk(r->ctl, r->id, &visitor);
	progress_end(&r->progress);
	return (e);
}

/* Leave a row in the audit trail. */
static enum err
note(struct reseal *r)
{
	const struct ctl *ctl = r->ctl;
	const char *after = arena_printf(ctl->arena, "{\"resealed\":%lld}", (long long)r->resealed);
	const struct db_param params[] = {db_param_text(slice_of(ctl->actor)),
	    db_param_text(slice_of("keyring.reseal")), db_param_text(slice_of(r->id)),
	    db_param_text(slice_of(after))};
	struct db_rows *rows = NULL;
	enum err e;

	if (r->resealed == 0)
		return (ERR_OK);
	e = db_call(
	    ctl->db, &Q_ADMIN_KEYRING_NOTE, params, 4, ctl_deadline(CTL_DEADLINE_MS), &rows);
	db_rows_free(rows);
	return (e == ERR_OK ? e : ctl_db_fault(ctl, ctl->db, e));
}

/* Print what was done. */
static enum err
print(const struct reseal *r)
{
	static const struct output_col cols[] = {{"id", DB_TYPE_TEXT}, {"resealed", DB_TYPE_NUMBER},
	    {"left", DB_TYPE_NUMBER}, {"unopened", DB_TYPE_NUMBER}};
	const struct ctl *ctl = r->ctl;
	char resealed[DB_INT_SIZE], left[DB_INT_SIZE], unopened[DB_INT_SIZE];
	const struct slice cells[] = {slice_of(r->id), db_param_int(r->resealed, resealed).value,
	    db_param_int(r->missed, left).value,
	    db_param_int((int64_t)r->faults.n, unopened).value};
	const struct output_table t = {cols, ctl->json ? 3 : 4, cells, 1};
	enum err e;

	output_record(&t, ctl->json, ctl->out);
	if (!ctl->json)
		return (sealed_faults_print(ctl, &r->faults, NULL));
	ctl->out->len -= strlen("}\n");
	buf_printf(ctl->out, ",\"unopened\":");
	e = sealed_faults_print(ctl, &r->faults, ctl->out);
	buf_printf(ctl->out, "}\n");
	return (e);
}

/* Say what is not done. */
static enum err
judge(const struct reseal *r)
{
	struct buf *why = r->ctl->why;

	if (r->faults.n > 0)
		buf_printf(why,
		    "%zu values cannot be opened and were left as they are; see `sigsentryctl "
		    "keyring check`",
		    r->faults.n);
	if (r->missed > 0)
		buf_printf(why, "%s%lld values were changed by others meanwhile: run it again",
		    why->len > 0 ? "; " : "", (long long)r->missed);
	return (why->len > 0 ? ERR_DENIED : ERR_OK);
}

/* Is the keyring one that may be sealed to now?  Else values would go back to a key that is on its
 * way out. */
static enum err
find_key(struct reseal *r)
{
	const struct ctl *ctl = r->ctl;
	struct keyring *pub;
	enum err e;

	if ((pub = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	if ((e = keyring_load_private(ctl, r->ring)) == ERR_OK)
		e = keyring_load_public(ctl, pub);
	if (e == ERR_OK && (keyring_next(r->ring) != NULL ||
			       (pub->nkeys > 0 && !keyring_same_active(r->ring, pub)))) {
		buf_printf(
		    ctl->why, "a rotation is not finished: first `sigsentryctl keyring rotate`");
		e = ERR_DENIED;
	}
	keyring_free(pub);
	if (e == ERR_OK)
		text_hex(keyring_active(r->ring)->id, KEYRING_ID_LEN, r->id);
	return (e);
}

static enum err
run(struct reseal *r)
{
	int passes = 0;
	enum err e;

	if ((e = find_key(r)) != ERR_OK ||
	    (e = sealed_opener_init(r->ctl, &r->opener, r->ring)) != ERR_OK)
		return (e);
	if ((r->sender = seal_sender_new(keyring_active(r->ring), CONTEXT_MS)) == NULL)
		return (ERR_NOMEM);
	do
		e = pass(r);
	while (e == ERR_OK && r->missed > 0 && ++passes < PASSES_MAX);
	if (e != ERR_OK) {
		buf_printf(r->ctl->why, "; %lld values are resealed: run it again for the others",
		    (long long)r->resealed);
		return (e);
	}
	if ((e = note(r)) == ERR_OK && (e = print(r)) == ERR_OK)
		e = judge(r);
	return (e);
}

enum err
keyring_reseal_run(const struct ctl *ctl)
{
	struct reseal *r = arena_alloc(ctl->arena, sizeof(*r));
	enum err e;
	int i;

	if (r == NULL)
		return (ERR_NOMEM);
	r->ctl = ctl;
	for (i = 0; i < A__MAX; i++)
		buf_init(&r->arrays[i], ARRAY_MAX);
	if ((r->ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	e = run(r);
	for (i = 0; i < A__MAX; i++)
		buf_clear(&r->arrays[i]);
	seal_sender_free(r->sender);
	sealed_opener_clear(&r->opener);
	keyring_free(r->ring);
	return (e);
}
