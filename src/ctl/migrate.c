/*
 * Brings the schema up to this version.  Each file goes to the server as one text that takes the
 * lock, looks whether it is its turn, changes and notes it: PostgreSQL runs such a text in one
 * transaction, so a crash, a lost connection or a second migration at the same time leaves it whole
 * or undone.
 */
#include "ctl/migrate.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "sql_queries.h"

/* How long it tries again where somebody holds a table, and the pause between two tries, in which
 * those go on that have queued up behind (they wait for 500 ms at the most: migrate/lock.sql). */
#define GIVE_WAY_MS       120000
#define GIVE_WAY_PAUSE_MS 500

/* --automatic: a database that does not answer holds no package manager up for longer. */
#define AUTOMATIC_WAIT_S 10

/* The columns of q/migration_list.sql. */
enum { COL_VERSION, COL_NAME, COL_SHA256, COL_APPLIED_AT, COL_PROGRAM };

/* Is there anything to list? */
static enum err
ever_migrated(const struct ctl *ctl, bool *ever)
{
	struct db_rows *rows = NULL;
	enum err e;

	e = db_call(ctl->db, &Q_MIGRATION_EXISTS, NULL, 0, ctl_deadline(CTL_DEADLINE_MS), &rows);
	if (e == ERR_OK)
		*ever = slice_eq(db_text(rows, 0, 0), slice_of("t"));
	db_rows_free(rows);
	return (e);
}

/* Hold a row against the step that it should be. */
static enum err
judge_row(const struct db_rows *rows, size_t row, struct buf *why)
{
	const struct slice name = db_text(rows, row, COL_NAME);
	int64_t version = db_int(rows, row, COL_VERSION, 0);

	if (version > (int64_t)migrate_nsteps) {
		buf_printf(why,
		    "the schema is newer (%lld) than this sigsentryctl (%zu): install the newer "
		    "version "
		    "here too; nothing was changed",
		    (long long)version, migrate_nsteps);
		return (ERR_DENIED);
	}
	if (version != (int64_t)row + 1 ||
	    !slice_eq(db_text(rows, row, COL_SHA256), slice_of(migrate_steps[row].sha256))) {
		buf_printf(why,
		    "schema file %03lld-%.*s.sql is not the one that this database has had: this "
		    "sigsentryctl is of "
		    "another line of versions; nothing was changed",
		    (long long)version, (int)name.len, name.ptr);
		return (ERR_DENIED);
	}
	return (ERR_OK);
}

enum err
migrate_look(const struct ctl *ctl, struct migrate_state *state)
{
	bool ever = false;
	enum err e;
	size_t i, n;

	memset(state, 0, sizeof(*state));
	if ((e = ever_migrated(ctl, &ever)) == ERR_OK && ever)
		e = db_call(ctl->db, &Q_MIGRATION_LIST, NULL, 0, ctl_deadline(CTL_DEADLINE_MS),
		    &state->rows);
	if (e != ERR_OK)
		return (ctl_db_fault(ctl, ctl->db, e));
	if ((n = ever ? db_nrows(state->rows) : 0) > 0)
		state->version = db_int(state->rows, n - 1, COL_VERSION, 0);
	/* From the newest on: that it is newer says more than that an old file differs. */
	for (i = n; i > 0; i--) {
		if ((e = judge_row(state->rows, i - 1, ctl->why)) != ERR_OK)
			return (e);
	}
	return (ERR_OK);
}

void
migrate_state_clear(struct migrate_state *state)
{
	db_rows_free(state->rows);
	memset(state, 0, sizeof(*state));
}

/* Which version the database has. */
static enum err
version_now(const struct ctl *ctl, int64_t *version)
{
	struct migrate_state state;
	enum err e;

	e = migrate_look(ctl, &state);
	*version = state.version;
	migrate_state_clear(&state);
	return (e);
}

/* When a script that begins now is given up.  A package manager waits no hour for a server that
 * hangs, or for another migration that does. */
static int64_t
script_deadline(const struct ctl *ctl)
{
	return (ctl_deadline(
	    options_has(ctl->options, OPTION_AUTOMATIC) ? CTL_DEADLINE_MS : CTL_LONG_WAIT_MS));
}

/* Run ${sql}, in one transaction.  Who could not have a table in time begins anew, after a
 * pause. */
static enum err
run_script(const struct ctl *ctl, const char *sql, struct buf *why)
{
	const int64_t give_up = ctl_deadline(GIVE_WAY_MS);
	enum err e;

	for (;;) {
		buf_reset(why);
		e = db_script(ctl->db, sql, script_deadline(ctl), why);
		if (e == ERR_OK || !db_is_locked_out(ctl->db) || ctl_deadline(0) >= give_up)
			return (e);
		(void)usleep(GIVE_WAY_PAUSE_MS * 1000);
	}
}

/* Apply ${step}.  ERR_EXISTS: somebody else was faster. */
static enum err
apply(const struct ctl *ctl, const struct migrate_step *step)
{
	struct buf why;
	enum err e;

	buf_init(&why, 4096);
	e = run_script(ctl, step->script, &why);
	if (e != ERR_OK && e != ERR_EXISTS)
		buf_printf(ctl->why,
		    "schema file %03lld-%s.sql could not be applied and was undone: %s",
		    (long long)step->version, step->name, buf_str(&why));
	buf_clear(&why);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

enum err
migrate_up(
    const struct ctl *ctl, void (*on_step)(void *ctx, const struct migrate_step *step), void *ctx)
{
	int64_t version, tried = -1;
	struct buf why;
	enum err e;

	for (;;) {
		if ((e = version_now(ctl, &version)) != ERR_OK)
			return (e);
		if (version == (int64_t)migrate_nsteps)
			break;
		if (version == tried) {
			buf_printf(ctl->why,
			    "schema file %03lld-%s.sql breaks a unique constraint and was undone",
			    (long long)version + 1, migrate_steps[version].name);
			return (ERR_EXISTS);
		}
		e = apply(ctl, &migrate_steps[version]);
		if (e == ERR_OK)
			on_step(ctx, &migrate_steps[version]);
		else if (e == ERR_EXISTS)
			tried = version;
		else
			return (e);
	}
	buf_init(&why, 4096);
	if ((e = run_script(ctl, migrate_finish, &why)) != ERR_OK)
		buf_printf(ctl->why,
		    "functions and grants could not be laid and were left as they are: %s",
		    buf_str(&why));
	buf_clear(&why);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

/* What is told while files are applied. */
struct progress {
	bool json;
	size_t napplied;
	struct buf *out;
};

static void
tell_step(void *ctx, const struct migrate_step *step)
{
	struct progress *p = ctx;

	if (p->json)
		buf_printf(p->out, "%s\"%03lld-%s.sql\"", p->napplied > 0 ? "," : "",
		    (long long)step->version, step->name);
	else
		buf_printf(p->out, "applied %03lld-%s.sql\n", (long long)step->version, step->name);
	p->napplied++;
}

static enum err
run_up(const struct ctl *ctl)
{
	struct progress p = {ctl->json, 0, ctl->out};
	enum err e;

	if (ctl->json)
		buf_printf(ctl->out, "{\"version\":%zu,\"applied\":[", migrate_nsteps);
	if ((e = migrate_up(ctl, tell_step, &p)) != ERR_OK) {
		/* Half a JSON document helps nobody. */
		if (ctl->json)
			buf_reset(ctl->out);
		return (e);
	}
	if (ctl->json)
		buf_printf(ctl->out, "]}\n");
	else
		buf_printf(ctl->out, "the schema is at version %zu%s\n", migrate_nsteps,
		    p.napplied == 0 ? "; there was nothing to apply" : "");
	return (ERR_OK);
}

/* What became of file ${i} of the longer of the two lists. */
static const char *
state_word(const struct migrate_state *state, size_t nrows, size_t i)
{
	if (i >= nrows)
		return ("pending");
	if (i >= migrate_nsteps)
		return ("unknown");
	return (slice_eq(db_text(state->rows, i, COL_SHA256), slice_of(migrate_steps[i].sha256))
		    ? "applied"
		    : "changed");
}

/* Fill the cells of the status table's row ${i}. */
static enum err
status_row(const struct ctl *ctl, const struct migrate_state *state, size_t nrows, size_t i,
    struct slice cells[5])
{
	char *version;

	if ((version = arena_printf(ctl->arena, "%zu", i + 1)) == NULL)
		return (ERR_NOMEM);
	cells[0] = slice_of(version);
	cells[1] = i < nrows ? db_text(state->rows, i, COL_NAME) : slice_of(migrate_steps[i].name);
	cells[2] = i < nrows ? db_text(state->rows, i, COL_APPLIED_AT) : slice_make(NULL, 0);
	cells[3] = i < nrows ? db_text(state->rows, i, COL_PROGRAM) : slice_make(NULL, 0);
	cells[4] = slice_of(state_word(state, nrows, i));
	return (ERR_OK);
}

static enum err
run_status(const struct ctl *ctl)
{
	static const struct output_col cols[] = {{"version", DB_TYPE_NUMBER},
	    {"name", DB_TYPE_TEXT}, {"appliedAt", DB_TYPE_TEXT}, {"programVersion", DB_TYPE_TEXT},
	    {"state", DB_TYPE_TEXT}};
	struct output_table t = {cols, 5, NULL, 0};
	struct migrate_state state;
	struct slice *cells;
	size_t nrows, i;
	enum err e, verdict;

	/* A schema that does not fit is what the table is to show; only then is it refused. */
	verdict = migrate_look(ctl, &state);
	e = verdict == ERR_DENIED ? ERR_OK : verdict;
	nrows = state.rows == NULL ? 0 : db_nrows(state.rows);
	t.nrows = nrows > migrate_nsteps ? nrows : migrate_nsteps;
	if ((cells = arena_alloc(ctl->arena, t.nrows * t.ncols * sizeof(*cells))) == NULL)
		e = ERR_NOMEM;
	for (i = 0; i < t.nrows && e == ERR_OK; i++)
		e = status_row(ctl, &state, nrows, i, cells + i * t.ncols);
	t.cells = cells;
	if (e == ERR_OK)
		e = output_list(&t, ctl->json, ctl->arena, ctl->out);
	migrate_state_clear(&state);
	return (e == ERR_OK ? verdict : e);
}

/* Time is over.  By a signal, since libpq looks names up without a deadline. */
static void
on_alarm(int signo)
{
	static const char text[] = "sigsentryctl: the database did not answer in time\n";

	(void)signo;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

/* Does the database answer in time? */
static enum err
look_in_time(const struct ctl *ctl)
{
	struct sigaction act = {.sa_handler = on_alarm};
	int64_t version;
	enum err e;

	sigaction(SIGALRM, &act, NULL);
	(void)alarm(AUTOMATIC_WAIT_S);
	e = version_now(ctl, &version);
	(void)alarm(0);
	return (e);
}

/* As an upgrade of packages calls it. */
static enum err
run_automatic(const struct ctl *ctl)
{
	enum err e;

	if (ctl->settings->auto_migrate == SETTINGS_NO) {
		if (ctl->json)
			buf_printf(ctl->out, "{\"version\":null,\"applied\":[]}\n");
		else
			buf_printf(ctl->out,
			    "auto_migrate is off in %s: the schema stays as it is; programs of "
			    "this "
			    "version wait until you have run `sigsentryctl migrate`\n",
			    ctl->config_path);
		return (ERR_OK);
	}
	if ((e = look_in_time(ctl)) == ERR_OK)
		e = run_up(ctl);
	return (e);
}

enum err
migrate_run(const struct ctl *ctl)
{
	const bool status = options_has(ctl->options, OPTION_STATUS);

	if (status && options_has(ctl->options, OPTION_AUTOMATIC)) {
		buf_printf(ctl->why, "--status and --automatic do not go together");
		return (ERR_INVALID);
	}
	if (options_has(ctl->options, OPTION_AUTOMATIC))
		return (run_automatic(ctl));
	return (status ? run_status(ctl) : run_up(ctl));
}
