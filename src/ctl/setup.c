/*
 * `setup`: from an installed package to a service that can start.  Every step looks first and makes
 * only what is missing, so that it may be run again, and after a failure goes on where it stopped.
 */
#include "ctl/setup.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "ctl/keyring_cmd.h"
#include "ctl/migrate.h"
#include "ctl/options.h"
#include "ctl/sealed.h"
#include "ctl/units.h"
#include "domain/keyring.h"
#include "sql_queries.h"

#define ADMIN_ROLE     "postgres"
#define ADMIN_DATABASE "postgres" /* where one connects before there is a database of one's own */

/* The roles of an installation; the first owns the database. */
static const char *const roles[] = {
    CTL_ROLE, "sigsentry_api", "sigsentry_courier", "sigsentry_producer"};

/** A setup on its way. */
struct setup {
	const struct ctl *ctl;
	struct db *admin;
	const char *admin_role;
	bool dry_run;
	bool no_database; /* it is missing, and this is a dry run */
	size_t ntold;
};

/* Say what became of ${what}. */
static void
tell(struct setup *s, const char *kind, struct slice what, const char *state)
{
	struct buf *out = s->ctl->out;

	if (!s->ctl->json) {
		buf_printf(out, "%s %.*s: %s\n", kind, (int)what.len, what.ptr, state);
		return;
	}
	buf_printf(out, "%s{\"kind\":", s->ntold++ > 0 ? "," : "");
	json_put(out, slice_of(kind));
	buf_printf(out, ",\"name\":");
	json_put(out, what);
	buf_printf(out, ",\"state\":");
	json_put(out, slice_of(state));
	buf_addc(out, '}');
}

/* Ask the admin's connection. */
static enum err
ask(struct setup *s, const struct db_query *q, const struct db_param *params, size_t nparams,
    struct db_rows **rows)
{
	enum err e = db_call(s->admin, q, params, nparams, ctl_deadline(CTL_DEADLINE_MS), rows);

	if (e == ERR_OK && db_nrows(*rows) == 1)
		return (ERR_OK);
	if (!db_is_open(s->admin)) {
		buf_printf(s->ctl->why,
		    "cannot reach the server as %s: %s; name a role that may create roles and "
		    "databases with "
		    "--admin-user, or run this as the local user of that name",
		    s->admin_role, db_last_error(s->admin));
		return (ERR_DOWN);
	}
	return (ctl_db_fault(s->ctl, s->admin, e == ERR_OK ? ERR_INTERNAL : e));
}

/* Only who may act as a role may give it a database: a superuser, or who is let in here.  Those who
 * may create roles may do that. */
static enum err
lend_owner(struct setup *s)
{
	const struct db_param param = db_param_text(slice_of(CTL_ROLE));
	struct db_rows *rows = NULL;
	enum err e;

	if ((e = ask(s, &Q_OWNER_SQL, &param, 1, &rows)) == ERR_OK && db_text(rows, 0, 0).len > 0 &&
	    (e = db_script(
		 s->admin, db_text(rows, 0, 0).ptr, ctl_deadline(CTL_DEADLINE_MS), NULL)) != ERR_OK)
		buf_printf(s->ctl->why,
		    "%s cannot be made a member of " CTL_ROLE ", as it must be to give it a "
		    "database: %s; let a superuser run: GRANT " CTL_ROLE " TO %s",
		    s->admin_role, db_last_error(s->admin), s->admin_role);
	db_rows_free(rows);
	return (e);
}

/* Make ${name} with the statement that ${make} writes, unless ${there} finds it. */
static enum err
ensure(struct setup *s, const char *kind, struct slice name, const struct db_query *there,
    const struct db_query *make, bool *was_missing)
{
	const struct db_param params[] = {db_param_text(name), db_param_text(slice_of(CTL_ROLE))};
	struct db_rows *rows = NULL;
	enum err e;

	*was_missing = false;
	if ((e = ask(s, there, params, 1, &rows)) != ERR_OK)
		goto out;
	if (slice_eq(db_text(rows, 0, 0), slice_of("t"))) {
		tell(s, kind, name, "found");
		goto out;
	}
	*was_missing = true;
	if (s->dry_run) {
		tell(s, kind, name, "would be made");
		goto out;
	}
	db_rows_free(rows);
	rows = NULL;
	if (make == &Q_DATABASE_SQL && (e = lend_owner(s)) != ERR_OK)
		goto out;
	if ((e = ask(s, make, params, make == &Q_ROLE_SQL ? 1 : 2, &rows)) != ERR_OK)
		goto out;
	/* The server wrote this statement, with the name quoted; a value's text ends with a NUL. */
	e = db_script(s->admin, db_text(rows, 0, 0).ptr, ctl_deadline(CTL_DEADLINE_MS), NULL);
	if (e == ERR_OK)
		tell(s, kind, name, "made");
	else
		buf_printf(s->ctl->why, "%s %.*s could not be made: %s", kind, (int)name.len,
		    name.ptr, db_last_error(s->admin));
out:
	db_rows_free(rows);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

/* Make roles and database. */
static enum err
make_server_side(struct setup *s)
{
	bool missing;
	struct buf name;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]) && e == ERR_OK; i++)
		e = ensure(s, "role", slice_of(roles[i]), &Q_ROLE_EXISTS, &Q_ROLE_SQL, &missing);
	if (e != ERR_OK)
		return (e);
	buf_init(&name, 1024);
	if (db_target(s->ctl->db, &name) != ERR_OK) {
		buf_printf(s->ctl->why, "the key `database` of %s: %s", s->ctl->config_path,
		    db_last_error(s->ctl->db));
		e = ERR_DENIED;
	} else {
		e = ensure(s, "database", slice_of(buf_str(&name)), &Q_DATABASE_EXISTS,
		    &Q_DATABASE_SQL, &missing);
		s->no_database = s->dry_run && missing;
	}
	buf_clear(&name);
	return (e);
}

static void
tell_step(void *ctx, const struct migrate_step *step)
{
	tell(ctx, "schema file", slice_of(step->name), "applied");
}

static enum err
make_schema(struct setup *s)
{
	const struct slice version =
	    slice_of(arena_printf(s->ctl->arena, "version %zu", migrate_nsteps));
	struct migrate_state state;
	enum err e;

	if (s->no_database) {
		tell(s, "schema", version, "would be made");
		return (ERR_OK);
	}
	e = migrate_look(s->ctl, &state);
	if (e == ERR_OK && state.version == (int64_t)migrate_nsteps)
		tell(s, "schema", version, "found");
	else if (e == ERR_OK && s->dry_run)
		tell(s, "schema", version, "would be made");
	migrate_state_clear(&state);
	if (e != ERR_OK && !db_is_open(s->ctl->db))
		buf_printf(s->ctl->why,
		    " (pg_hba.conf must let it in; over a local socket root "
		    "connects as the local user " CTL_ROLE ", where there is one)");
	if (e != ERR_OK || s->dry_run)
		return (e);
	return (migrate_up(s->ctl, tell_step, s));
}

/*
 * May a first keyring be made?  Not for a database that holds values already: this is a second
 * machine, or the keys are lost, and what a new key is made for nobody else can open.
 */
static enum err
judge_keyring(const struct setup *s)
{
	int64_t total, none;
	enum err e;

	if ((e = sealed_counts(s->ctl, &total, &none, NULL)) != ERR_OK || total == 0)
		return (e);
	buf_printf(s->ctl->why,
	    "the database holds %lld sealed values, and there is no keyring on this machine: bring "
	    "the one they are sealed to with `sigsentryctl keyring import` (on a web host with "
	    "--public), then run this again; where it is lost, `sigsentryctl keyring generate` "
	    "makes a new one, and all credentials must be set anew",
	    (long long)total);
	return (ERR_DENIED);
}

static enum err
make_keyring(struct setup *s)
{
	const struct settings *conf = s->ctl->settings;
	const struct slice priv = slice_of(conf->keyring_private),
			   pub = slice_of(conf->keyring_public);
	enum keyring_files there = keyring_look(conf);
	char id[KEYRING_ID_TEXT];
	enum err e = ERR_OK;

	if (there == KEYRING_NONE && !s->dry_run && (e = judge_keyring(s)) == ERR_OK)
		e = keyring_make(s->ctl, id);
	if (there == KEYRING_PRIVATE_ONLY && !s->dry_run)
		e = keyring_make_public(s->ctl);
	if (e != ERR_OK)
		return (e);
	if (there == KEYRING_PUBLIC_ONLY)
		tell(s, "keyring", pub, "found; its private half is not on this machine");
	else if (there == KEYRING_BOTH)
		tell(s, "keyring", priv, "found");
	else
		tell(s, "keyring", there == KEYRING_NONE ? priv : pub,
		    s->dry_run ? "would be made" : "made");
	return (ERR_OK);
}

/* Start what is installed, or say how to, where systemd is there to do it. */
static enum err
start_units(struct setup *s)
{
	const bool want = options_has(s->ctl->options, OPTION_START);
	enum err e = ERR_OK;

	if (!units_are_here() && want) {
		buf_printf(s->ctl->why, "--start: systemd does not run this machine, or has no "
					"unit " UNITS_TARGET "; all else is done");
		return (ERR_DENIED);
	}
	if (!units_are_here())
		return (ERR_OK);
	if (want && !s->dry_run)
		e = units_start(s->ctl);
	if (e == ERR_OK)
		tell(s, "units", slice_of(UNITS_TARGET),
		    !want        ? "to start what is installed: systemctl start " UNITS_TARGET
		    : s->dry_run ? "would be started"
				 : "started");
	return (e);
}

enum err
setup_run(const struct ctl *ctl)
{
	struct slice role = options_value(ctl->options, OPTION_ADMIN_USER);
	struct setup s = {.ctl = ctl,
	    .dry_run = options_has(ctl->options, OPTION_DRY_RUN),
	    .admin_role = role.ptr == NULL ? ADMIN_ROLE : role.ptr};
	const struct db_options o = {.conninfo = ctl->settings->database,
	    .user = s.admin_role,
	    .dbname = ADMIN_DATABASE,
	    .application = "sigsentryctl",
	    .as_local_user = true};
	enum err e;

	if ((s.admin = db_new(&o)) == NULL)
		return (ERR_NOMEM);
	db_quiet(s.admin);
	if (ctl->json)
		buf_addc(ctl->out, '[');
	e = make_server_side(&s);
	db_free(s.admin);
	if (e == ERR_OK)
		e = make_schema(&s);
	if (e == ERR_OK)
		e = make_keyring(&s);
	if (e == ERR_OK)
		e = start_units(&s);
	if (ctl->json)
		buf_printf(ctl->out, "]\n");
	return (e);
}
