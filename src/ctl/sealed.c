/*
 * All credentials that are stored, one after the other, and what opens them.  Serves `keyring
 * check` and `keyring reseal`.
 */
#include "ctl/sealed.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "ctl/output.h"
#include "domain/seal.h"
#include "sql_queries.h"

/* The columns of sql/fn/admin_keyring_page.sql. */
enum { C_TENANT = 0, C_CHANNEL, C_FIELD, C_TYPE, C_SEALED };

/* hex of a value that is not longer than it may be; longer ones are damaged, and cut */
#define BOX_MAX (SEAL_OVERHEAD + SEAL_PLAIN_MAX + 1)

const char *const sealed_words[SEALED__MAX] = {"current", "previous"};

/** Where a walk has come to. */
struct place {
	struct buf tenant, channel, field;
	bool has_begun;
};

static void
place_init(struct place *p)
{
	buf_init(&p->tenant, UUID_TEXT_SIZE);
	buf_init(&p->channel, UUID_TEXT_SIZE);
	buf_init(&p->field, 65536);
	p->has_begun = false;
}

static void
place_clear(struct place *p)
{
	buf_clear(&p->tenant);
	buf_clear(&p->channel);
	buf_clear(&p->field);
}

/* Come to the last row of ${rows}. */
static void
place_set(struct place *p, const struct db_rows *rows)
{
	const size_t last = db_nrows(rows) - 1;

	buf_reset(&p->tenant);
	buf_add(&p->tenant, db_text(rows, last, C_TENANT));
	buf_reset(&p->channel);
	buf_add(&p->channel, db_text(rows, last, C_CHANNEL));
	buf_reset(&p->field);
	buf_add(&p->field, db_text(rows, last, C_FIELD));
	p->has_begun = true;
}

static struct db_param
place_param(const struct place *p, struct buf *part)
{
	return (p->has_begun ? db_param_text(slice_of(buf_str(part))) : db_param_null());
}

/* Ask for the page behind ${p}. */
static enum err
page_ask(
    const struct ctl *ctl, const char *except, int64_t page, struct place *p, struct db_rows **rows)
{
	char limit[DB_INT_SIZE];
	const struct db_param params[] = {
	    place_param(p, &p->tenant),
	    place_param(p, &p->channel),
	    place_param(p, &p->field),
	    db_param_text(slice_of(except)),
	    db_param_int(page, limit),
	};
	enum err e;

	e = db_call(ctl->db, &Q_ADMIN_KEYRING_PAGE, params, sizeof(params) / sizeof(params[0]),
	    ctl_deadline(CTL_DEADLINE_MS), rows);
	return (e == ERR_OK ? e : ctl_db_fault(ctl, ctl->db, e));
}

/* Decode the value ${hex} into ${bytes}. */
static struct slice
box_of(struct slice hex, uint8_t bytes[BOX_MAX])
{
	const size_t len = hex.len / 2 < BOX_MAX ? hex.len / 2 : BOX_MAX;

	if (hex.ptr == NULL || text_unhex(slice_make(hex.ptr, 2 * len), bytes, len) != ERR_OK)
		return (slice_of(NULL));
	return (slice_make(bytes, len));
}

/* Show each row of a page to the visitor. */
static enum err
visit(const struct db_rows *rows, const struct sealed_visitor *v, uint8_t *bytes)
{
	struct sealed_row row;
	enum err e = ERR_OK;
	size_t i, k;

	for (i = 0; i < db_nrows(rows) && e == ERR_OK; i++) {
		row.tenant = db_text(rows, i, C_TENANT);
		row.channel = db_text(rows, i, C_CHANNEL);
		row.field = db_text(rows, i, C_FIELD);
		row.type = db_text(rows, i, C_TYPE);
		for (k = 0; k < SEALED__MAX; k++)
			row.boxes[k] = box_of(db_text(rows, i, C_SEALED + k), bytes + k * BOX_MAX);
		e = v->on_row(v->ctx, &row);
	}
	return (e == ERR_OK ? v->on_page(v->ctx) : e);
}

enum err
sealed_walk(const struct ctl *ctl, const char *except, const struct sealed_visitor *visitor)
{
	uint8_t *bytes = malloc(SEALED__MAX * BOX_MAX);
	struct db_rows *rows = NULL;
	enum err e = bytes == NULL ? ERR_NOMEM : ERR_OK;
	bool more = true;
	struct place p;

	place_init(&p);
	while (e == ERR_OK && more) {
		if ((e = page_ask(ctl, except, visitor->page, &p, &rows)) != ERR_OK)
			break;
		more = db_nrows(rows) > 0;
		e = more ? visit(rows, visitor, bytes) : ERR_OK;
		if (more)
			place_set(&p, rows);
		db_rows_free(rows);
		rows = NULL;
	}
	db_rows_free(rows);
	place_clear(&p);
	free(bytes);
	return (e);
}

enum err
sealed_opener_init(const struct ctl *ctl, struct sealed_opener *o, const struct keyring *ring)
{
	o->seals = seal_ring_new(ring);
	o->plain = mem_locked_new(SEAL_PLAIN_MAX);
	if (o->seals != NULL && o->plain != NULL)
		return (ERR_OK);
	buf_printf(ctl->why, "no locked memory for opened values; raise the limit (ulimit -l)");
	return (ERR_NOMEM);
}

void
sealed_opener_clear(struct sealed_opener *o)
{
	seal_ring_free(o->seals);
	mem_locked_free(o->plain, SEAL_PLAIN_MAX);
}

enum err
sealed_open(
    struct sealed_opener *o, const struct sealed_row *row, enum sealed_which which, size_t *len)
{
	struct uuid channel;
	const struct seal_where where = {&channel, row->type.ptr, row->field.ptr};
	enum err e;

	if (uuid_parse(row->channel, &channel) != ERR_OK)
		return (ERR_DAMAGED);
	e = seal_open(o->seals, &where, row->boxes[which], o->plain, SEAL_PLAIN_MAX, len);
	/* a field's name that is too long for any of ours */
	return (e == ERR_INTERNAL && row->field.len > 64 ? ERR_DAMAGED : e);
}

enum err
sealed_fault(const struct ctl *ctl, struct sealed_faults *f, const struct sealed_row *row,
    enum sealed_which which, enum err e)
{
	struct slice *cells;

	if (f->n++ >= SEALED_FAULTS_MAX)
		return (ERR_OK);
	cells = f->cells + 4 * f->nnamed++;
	cells[0] = slice_of(arena_dup(ctl->arena, row->channel));
	cells[1] = slice_of(arena_dup(ctl->arena, row->field));
	cells[2] = slice_of(sealed_words[which]);
	cells[3] = slice_of(e == ERR_NOKEY ? "key missing" : "damaged");
	return (cells[0].ptr == NULL || cells[1].ptr == NULL ? ERR_NOMEM : ERR_OK);
}

enum err
sealed_faults_print(const struct ctl *ctl, const struct sealed_faults *f, struct buf *json)
{
	static const struct output_col cols[] = {{"channelId", DB_TYPE_TEXT},
	    {"field", DB_TYPE_TEXT}, {"value", DB_TYPE_TEXT}, {"fault", DB_TYPE_TEXT}};
	const struct output_table t = {cols, 4, f->cells, f->nnamed};
	enum err e;

	if (json != NULL) {
		e = output_list(&t, true, ctl->arena, json);
		json->len -= e == ERR_OK && buf_ok(json) ? strlen("\n") : 0;
		return (e);
	}
	if (f->n == 0)
		return (ERR_OK);
	buf_addc(ctl->out, '\n');
	e = output_list(&t, false, ctl->arena, ctl->out);
	if (f->n > f->nnamed)
		buf_printf(ctl->out, "and %zu more\n", f->n - f->nnamed);
	return (e);
}

enum err
sealed_counts(const struct ctl *ctl, int64_t *total, int64_t *of_key, const char *key)
{
	struct db_rows *rows = NULL;
	int64_t n;
	enum err e;
	size_t i;

	*total = 0;
	*of_key = 0;
	e = db_call(
	    ctl->db, &Q_ADMIN_KEYRING_COUNTS, NULL, 0, ctl_deadline(CTL_LONG_WAIT_MS), &rows);
	if (e != ERR_OK)
		(void)ctl_db_fault(ctl, ctl->db, e);
	for (i = 0; e == ERR_OK && i < db_nrows(rows); i++) {
		n = db_int(rows, i, 1, 0);
		*total += n;
		if (key != NULL && slice_eq(db_text(rows, i, 0), slice_of(key)))
			*of_key += n;
	}
	db_rows_free(rows);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}
