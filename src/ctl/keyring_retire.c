/*
 * `keyring retire`: the database is told to take nothing more that is sealed to the key, those who
 * may not have heard of it are waited for, and the stored values are counted once more: from then
 * on nothing can need it.  Then the key leaves the two files.  Its private half is put beside them,
 * not thrown away: a backup of the database may need it for as long as there is that backup.
 */
#include "ctl/keyring_retire.h"

#include <string.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "ctl/keyring_cmd.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/sealed.h"
#include "sql_queries.h"

struct retirement {
	const struct ctl *ctl;
	struct keyring *ring, *pub, *alone;
	const char *id;
	uint8_t bytes[KEYRING_ID_LEN];
	const char *kept; /* the file that the private half is put into */
};

/* Call one of the small functions of sql/fn; ${text} gets a copy of what it says (NULL: nothing).
 */
static enum err
call(const struct retirement *r, const struct db_query *query, const struct db_param *params,
    size_t nparams, const char **text)
{
	struct db_rows *rows = NULL;
	struct slice said;
	enum err e;

	e = db_call(r->ctl->db, query, params, nparams, ctl_deadline(CTL_DEADLINE_MS), &rows);
	if (e != ERR_OK)
		return (ctl_db_fault(r->ctl, r->ctl->db, e));
	said = db_text(rows, 0, 0);
	*text = said.ptr == NULL ? NULL : arena_dup(r->ctl->arena, said);
	db_rows_free(rows);
	return (ERR_OK);
}

/* Is it a key that may go, as far as the files tell? */
static enum err
judge(const struct retirement *r)
{
	const struct keyring_key *key = keyring_find(r->ring, r->bytes);
	const struct keyring_key *pub = keyring_find(r->pub, r->bytes);
	struct buf *why = r->ctl->why;

	if (key == NULL && pub == NULL)
		buf_printf(
		    why, "there is no key %s; `sigsentryctl keyring list` shows them", r->id);
	else if ((key != NULL && key->active) || (pub != NULL && pub->active))
		buf_printf(why,
		    "key %s is the active one: first `sigsentryctl keyring rotate` makes another "
		    "one active",
		    r->id);
	else if (key != NULL && key == keyring_next(r->ring))
		buf_printf(why,
		    "key %s waits to become active: finish that with `sigsentryctl keyring rotate`",
		    r->id);
	else if (r->pub->nkeys > 0 && !keyring_same_active(r->ring, r->pub))
		buf_printf(why, "a rotation is not finished: first `sigsentryctl keyring rotate`");
	return (why->len > 0 ? ERR_DENIED : ERR_OK);
}

/* Does a stored value need it? */
static enum err
look(const struct retirement *r)
{
	int64_t total, n;
	enum err e;

	if ((e = sealed_counts(r->ctl, &total, &n, r->id)) != ERR_OK)
		return (e);
	if (n == 0)
		return (ERR_OK);
	buf_printf(r->ctl->why,
	    "%lld of %lld stored values need key %s: first `sigsentryctl keyring reseal`; where it "
	    "leaves damaged ones, set those anew; where more come after it, reload the workers of "
	    "every web host with the current keyring.public",
	    (long long)n, (long long)total, r->id);
	return (ERR_DENIED);
}

/* See that nothing can need it from now on. */
static enum err
close_database(const struct retirement *r)
{
	const struct db_param params[] = {
	    db_param_text(slice_of(r->ctl->actor)), db_param_text(slice_of(r->id))};
	const char *said;
	enum err e;

	if ((e = look(r)) != ERR_OK ||
	    (e = call(r, &Q_ADMIN_KEYRING_RETIRE, params, 2, &said)) != ERR_OK)
		return (e);
	if ((e = call(r, &Q_ADMIN_KEYRING_SETTLE, NULL, 0, &said)) != ERR_OK) {
		buf_printf(r->ctl->why,
		    "; nothing new is sealed to key %s any more, but it is still in the files: run "
		    "this again when nobody holds the table of credentials (pg_stat_activity, "
		    "pg_locks)",
		    r->id);
		return (e);
	}
	return (look(r));
}

/* Put the key into a file of its own, unless a run before this one has. */
static enum err
keep(const struct retirement *r)
{
	const struct keyring_key *key = keyring_find(r->ring, r->bytes);
	enum err e;

	r->alone->has_private = true;
	r->alone->nkeys = 1;
	r->alone->keys[0] = *key;
	r->alone->keys[0].active = true; /* a keyring has an active one */
	e = keyfile_save(r->kept, r->alone, true, false);
	if (e == ERR_EXISTS && keyfile_load(r->kept, r->alone) == ERR_OK && r->alone->has_private &&
	    keyring_find(r->alone, r->bytes) != NULL)
		e = ERR_OK;
	if (e != ERR_OK)
		buf_printf(r->ctl->why,
		    "%s could not be written (%s), so the key stays where it is", r->kept,
		    err_word(e));
	return (e);
}

/* Take it out of both files, as far as it is there. */
static enum err
take_out(const struct retirement *r)
{
	const struct settings *s = r->ctl->settings;
	enum err e;

	if (keyring_find(r->ring, r->bytes) != NULL) {
		if ((e = keep(r)) != ERR_OK || (e = keyring_remove(r->ring, r->bytes)) != ERR_OK ||
		    (e = keyring_save(r->ctl, s->keyring_private, r->ring, true)) != ERR_OK)
			return (e);
	}
	if (keyring_find(r->pub, r->bytes) == NULL)
		return (ERR_OK);
	if ((e = keyring_remove(r->pub, r->bytes)) != ERR_OK)
		return (e);
	return (keyring_save(r->ctl, s->keyring_public, r->pub, false));
}

static void
print(const struct retirement *r)
{
	static const struct output_col cols[] = {{"id", DB_TYPE_TEXT}, {"state", DB_TYPE_TEXT},
	    {"file", DB_TYPE_TEXT}, {"next", DB_TYPE_TEXT}};
	const struct slice cells[] = {slice_of(r->id), slice_of("retired"),
	    slice_of(access(r->kept, F_OK) == 0 ? r->kept : NULL),
	    slice_of("run it on every machine with a private file, copy keyring.public to the web "
		     "hosts; keep the file for as long as a backup of the database needs it")};
	const struct output_table t = {cols, 4, cells, 1};

	output_record(&t, r->ctl->json, r->ctl->out);
}

static enum err
run(struct retirement *r)
{
	const struct db_param id = db_param_text(slice_of(r->id));
	const char *since = NULL;
	enum err e;

	if ((e = keyring_load_private(r->ctl, r->ring)) != ERR_OK ||
	    (e = keyring_load_public(r->ctl, r->pub)) != ERR_OK ||
	    (e = call(r, &Q_ADMIN_KEYRING_RETIRED, &id, 1, &since)) != ERR_OK)
		return (e);
	/* done before, here or where the key was */
	if (since != NULL && keyring_find(r->ring, r->bytes) == NULL &&
	    keyring_find(r->pub, r->bytes) == NULL) {
		print(r);
		return (ERR_OK);
	}
	if ((e = judge(r)) != ERR_OK || (e = close_database(r)) != ERR_OK ||
	    (e = take_out(r)) != ERR_OK)
		return (e);
	print(r);
	return (ERR_OK);
}

enum err
keyring_retire_run(const struct ctl *ctl)
{
	struct retirement r = {.ctl = ctl, .id = options_value(ctl->options, OPTION_KEY).ptr};
	enum err e;
	int lock;

	if (text_unhex(slice_of(r.id), r.bytes, KEYRING_ID_LEN) != ERR_OK)
		return (ERR_INTERNAL); /* the option has been judged */
	r.kept = arena_printf(ctl->arena, "%s.retired-%s", ctl->settings->keyring_private, r.id);
	if ((e = keyring_lock(ctl, &lock)) != ERR_OK)
		goto out;
	e = ERR_NOMEM;
	r.ring = keyring_empty(ctl);
	r.pub = r.ring == NULL ? NULL : keyring_empty(ctl);
	r.alone = r.pub == NULL ? NULL : keyring_empty(ctl);
	if (r.alone != NULL && r.kept != NULL)
		e = run(&r);
	keyring_free(r.alone);
	keyring_free(r.pub);
	keyring_free(r.ring);
out:
	keyfile_unlock(lock);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}
