/*
 * `keyring rotate`, in two steps with any number of questions between them: a new key is saved in
 * the private file, where couriers find it when they start; when the heart of every live one has
 * told that it has it, the key becomes active, first in the private file, then in the public one.
 * So nothing is ever sealed to a key that is not saved, or that a courier cannot open.  What is to
 * be done next follows from the two files alone: after a crash the next run goes on.
 */
#include "ctl/keyring_rotate.h"

#include <string.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "base/clock.h"
#include "ctl/keyring_cmd.h"
#include "ctl/output.h"
#include "sql_queries.h"

#define NAMED_MAX 20 /* couriers that a refusal names */

#define DIGITS     "0123456789"
#define HOST_CHARS DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_"

/* The columns of sql/fn/admin_keyring_couriers.sql. */
enum { C_COURIER = 0, C_HAS_KEY, C_BEAT };

struct rotation {
	const struct ctl *ctl;
	struct keyring *ring, *pub;
	const struct keyring_key *key; /* the one that is to become active */
	char id[KEYRING_ID_TEXT];
	bool is_new;
	struct db_rows *couriers;
	size_t nlacking;
};

/* Which key is it about?  One that waits; or the active one, where the public file has not heard of
 * it; or else a new one. */
static enum err
choose(struct rotation *r)
{
	const struct clock c = clock_system();
	const struct keyring_key *sealing = keyring_active(r->pub);
	enum err e = ERR_OK;

	if (sealing != NULL && keyring_find(r->ring, sealing->id) == NULL) {
		buf_printf(r->ctl->why,
		    "%s seals to a key whose private half is not in %s: bring it there first, with "
		    "`sigsentryctl keyring import`",
		    r->ctl->settings->keyring_public, r->ctl->settings->keyring_private);
		return (ERR_DENIED);
	}
	if ((r->key = keyring_next(r->ring)) == NULL) {
		r->key = keyring_active(r->ring);
		r->is_new = keyring_same_active(r->ring, r->pub);
	}
	if (r->is_new)
		e = keyring_add_next(r->ring, clock_wall_ms(&c), &r->key);
	if (e == ERR_OK)
		text_hex(r->key->id, KEYRING_ID_LEN, r->id);
	else if (e == ERR_DENIED)
		buf_printf(r->ctl->why,
		    "a key of %s was made at the end of the year 9999, and none can come after it: "
		    "write the true time there and in %s",
		    r->ctl->settings->keyring_private, r->ctl->settings->keyring_public);
	else if (e == ERR_SPACE)
		buf_printf(r->ctl->why,
		    "the keyring is full (%d keys): first `sigsentryctl keyring retire` old ones",
		    KEYRING_KEYS_MAX);
	return (e);
}

/* Ask which couriers have the key, and whether it may still be used. */
static enum err
ask(struct rotation *r)
{
	const struct ctl *ctl = r->ctl;
	const struct db_param id = db_param_text(slice_of(r->id));
	struct db_rows *rows = NULL;
	enum err e;
	size_t i;

	e = db_call(
	    ctl->db, &Q_ADMIN_KEYRING_RETIRED, &id, 1, ctl_deadline(CTL_DEADLINE_MS), &rows);
	if (e == ERR_OK && db_text(rows, 0, 0).ptr != NULL) {
		db_rows_free(rows);
		buf_printf(ctl->why,
		    "key %s was retired: it cannot become active again; take its line out of %s",
		    r->id, ctl->settings->keyring_private);
		return (ERR_DENIED);
	}
	db_rows_free(rows);
	if (e == ERR_OK)
		e = db_call(ctl->db, &Q_ADMIN_KEYRING_COURIERS, &id, 1,
		    ctl_deadline(CTL_DEADLINE_MS), &r->couriers);
	if (e != ERR_OK)
		return (ctl_db_fault(ctl, ctl->db, e));
	for (i = 0; i < db_nrows(r->couriers); i++)
		r->nlacking += slice_eq(db_text(r->couriers, i, C_HAS_KEY), slice_of("t")) ? 0 : 1;
	return (ERR_OK);
}

/*
 * Is ${s} made of ${set} alone, and no option of ssh?  A courier's name comes from its own machine
 * by way of the database, and a person may paste it into root's shell.
 */
static bool
is_made_of(struct slice s, const char *set)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\0' || strchr(set, s.ptr[i]) == NULL)
			return (false);
	}
	return (s.len > 0 && s.ptr[0] != '-');
}

/* What gives the key to courier ${i}, "host:pid"; "" where it has it. */
static const char *
cure(const struct rotation *r, size_t i)
{
	struct slice pid = db_text(r->couriers, i, C_COURIER), host;
	char here[64] = "";

	if (slice_eq(db_text(r->couriers, i, C_HAS_KEY), slice_of("t")))
		return ("");
	(void)slice_split(&pid, ':', &host);
	if (!is_made_of(host, HOST_CHARS) || !is_made_of(pid, DIGITS))
		return ("on its machine: sigsentryctl keyring import, then restart the courier");
	(void)gethostname(here, sizeof(here) - 1);
	if (slice_eq(host, slice_of(here)))
		return (arena_printf(r->ctl->arena,
		    "systemctl restart sigsentry-courier (not run by systemd: kill -HUP %.*s)",
		    (int)pid.len, pid.ptr));
	return (arena_printf(r->ctl->arena,
	    "sigsentryctl keyring export - | ssh %.*s 'sigsentryctl keyring import - && systemctl "
	    "restart sigsentry-courier'",
	    (int)host.len, host.ptr));
}

/* Append the refusal of courier ${i}. */
static void
put_refusal(const struct rotation *r, size_t i, const char *what, struct buf *why)
{
	const struct slice beat = db_text(r->couriers, i, C_BEAT);

	buf_printf(why, "courier ");
	output_plain(db_text(r->couriers, i, C_COURIER), why);
	buf_printf(
	    why, " lacks key %s, heard of %.*s s ago: %s", r->id, (int)beat.len, beat.ptr, what);
}

/* Say which couriers hold it up. */
static enum err
refuse(const struct rotation *r)
{
	const char *sep = "", *what;
	size_t i, n = 0;

	for (i = 0; i < db_nrows(r->couriers); i++) {
		if ((what = cure(r, i)) == NULL)
			return (ERR_NOMEM);
		if (what[0] == '\0' || n++ >= NAMED_MAX)
			continue;
		buf_add(r->ctl->why, slice_of(sep));
		put_refusal(r, i, what, r->ctl->why);
		sep = "\nsigsentryctl: ";
	}
	if (n > NAMED_MAX)
		buf_printf(r->ctl->why, "%sand %zu more couriers", sep, n - NAMED_MAX);
	return (ERR_DENIED);
}

/* Make the key active, in this order: what is sealed to is always saved. */
static enum err
activate(struct rotation *r)
{
	const struct ctl *ctl = r->ctl;
	const struct db_param params[] = {db_param_text(slice_of(ctl->actor)),
	    db_param_text(slice_of("keyring.rotate")), db_param_text(slice_of(r->id)),
	    db_param_text(slice_of("{\"state\":\"active\"}"))};
	struct db_rows *rows = NULL;
	enum err e;

	e = db_call(
	    ctl->db, &Q_ADMIN_KEYRING_NOTE, params, 4, ctl_deadline(CTL_DEADLINE_MS), &rows);
	db_rows_free(rows);
	if (e != ERR_OK)
		return (ctl_db_fault(ctl, ctl->db, e));
	if ((e = keyring_activate(r->ring, r->key->id)) != ERR_OK ||
	    (e = keyring_save(ctl, ctl->settings->keyring_private, r->ring, true)) != ERR_OK)
		return (e);
	return (keyring_save(ctl, ctl->settings->keyring_public, r->ring, false));
}

/* Append the couriers, each with what is to be done there. */
static enum err
print_couriers(const struct rotation *r, struct buf *out)
{
	static const struct output_col cols[] = {{"courier", DB_TYPE_TEXT},
	    {"hasKey", DB_TYPE_BOOL}, {"lastBeatSeconds", DB_TYPE_NUMBER}, {"toDo", DB_TYPE_TEXT}};
	const size_t n = db_nrows(r->couriers);
	struct slice *cells = arena_alloc(r->ctl->arena, (4 * n + 1) * sizeof(*cells));
	const struct output_table t = {cols, 4, cells, n};
	size_t i, k;

	if (cells == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < n; i++) {
		for (k = 0; k < 3; k++)
			cells[4 * i + k] = db_text(r->couriers, i, k);
		cells[4 * i + 3] = slice_of(cure(r, i));
		if (cells[4 * i + 3].ptr == NULL)
			return (ERR_NOMEM);
	}
	return (
	    n == 0 && !r->ctl->json ? ERR_OK : output_list(&t, r->ctl->json, r->ctl->arena, out));
}

/* What a person is to do next. */
static const char *
next_step(const struct rotation *r)
{
	if (!r->key->active)
		return ("give it to the couriers, then run `sigsentryctl keyring rotate` again");
	return (
	    "systemctl reload sigsentry-api; copy keyring.public to the other web hosts and reload "
	    "there; run `sigsentryctl keyring rotate` on the other couriers' hosts; then "
	    "`sigsentryctl keyring reseal`");
}

static enum err
print(const struct rotation *r)
{
	static const struct output_col cols[] = {
	    {"id", DB_TYPE_TEXT}, {"state", DB_TYPE_TEXT}, {"next", DB_TYPE_TEXT}};
	const struct ctl *ctl = r->ctl;
	const struct slice cells[] = {slice_of(r->id),
	    slice_of(keyring_state_words[keyring_state(r->ring, r->key)]), slice_of(next_step(r))};
	const struct output_table t = {cols, 3, cells, 1};
	enum err e;

	output_record(&t, ctl->json, ctl->out);
	if (ctl->json) {
		ctl->out->len -= strlen("}\n");
		buf_printf(ctl->out, ",\"couriers\":");
	} else if (db_nrows(r->couriers) == 0) {
		buf_printf(ctl->out,
		    "\nNo courier is alive: one that runs on another machine must be given the key "
		    "before it is started.\n");
	} else {
		buf_addc(ctl->out, '\n');
	}
	e = print_couriers(r, ctl->out);
	if (ctl->json) {
		ctl->out->len -= strlen("\n");
		buf_printf(ctl->out, "}\n");
	}
	return (e);
}

static enum err
run(struct rotation *r)
{
	const struct ctl *ctl = r->ctl;
	enum err e;

	if ((e = keyring_load_private(ctl, r->ring)) != ERR_OK ||
	    (e = keyring_load_public(ctl, r->pub)) != ERR_OK || (e = choose(r)) != ERR_OK ||
	    (e = ask(r)) != ERR_OK)
		return (e);
	if (r->is_new)
		e = keyring_save(ctl, ctl->settings->keyring_private, r->ring, true);
	if (e == ERR_OK && r->nlacking == 0)
		e = activate(r);
	if (e == ERR_OK)
		e = print(r);
	return (e == ERR_OK && r->nlacking > 0 && !r->is_new ? refuse(r) : e);
}

enum err
keyring_rotate_run(const struct ctl *ctl)
{
	struct rotation r = {.ctl = ctl};
	enum err e;
	int lock;

	if ((e = keyring_lock(ctl, &lock)) != ERR_OK)
		goto out;
	e = ERR_NOMEM;
	r.ring = keyring_empty(ctl);
	if (r.ring != NULL)
		r.pub = keyring_empty(ctl);
	if (r.pub != NULL)
		e = run(&r);
	db_rows_free(r.couriers);
	keyring_free(r.pub);
	keyring_free(r.ring);
out:
	keyfile_unlock(lock);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}
