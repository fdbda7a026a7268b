/*
 * `check`, the doctor: one function for each part, in the order in which they need each other; what
 * needs an ill part is not looked at.
 */
#include "ctl/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "base/crypt.h"
#include "ctl/keyring_cmd.h"
#include "ctl/migrate.h"
#include "ctl/output.h"
#include "domain/keyring.h"
#include "sql_queries.h"

#define COURIER_SEEN_MAX_S 180 /* three of its minutes */

/** What was found of one part. */
struct finding {
	bool ok;
	struct buf message; /* what is so */
	struct buf cure;    /* what to do; empty where nothing is */
};

/** One part of an installation. */
struct part {
	const char *name;
	bool needs_config, needs_database, needs_schema;
	void (*look)(const struct ctl *ctl, struct finding *f);
};

static void
look_config(const struct ctl *ctl, struct finding *f)
{
	f->ok = ctl->settings != NULL;
	if (f->ok) {
		buf_printf(&f->message, "%s is in order", ctl->config_path);
		return;
	}
	buf_printf(&f->message, "%s", ctl->settings_fault);
	buf_printf(&f->cure, "put the file right; sigsentry.conf(5) lists every key");
}

/* Load ${path}; what fails is said in ${f}. */
static bool
load_ring(const char *path, struct keyring *ring, struct finding *f)
{
	enum err e = keyfile_load(path, ring);

	if (e == ERR_OK)
		return (true);
	buf_printf(&f->message, "%s cannot be used (%s)", path, err_word(e));
	buf_printf(&f->cure, e == ERR_DENIED ? "chmod 0600 it: it holds private keys"
					     : "restore it from its backup");
	return (false);
}

/* Look into both files, as far as this user may. */
static void
look_rings(const struct ctl *ctl, struct keyring *pub, struct keyring *priv, struct finding *f)
{
	const struct settings *s = ctl->settings;
	char id[KEYRING_ID_TEXT];

	if (!load_ring(s->keyring_public, pub, f))
		return;
	text_hex(keyring_active(pub)->id, KEYRING_ID_LEN, id);
	if (access(s->keyring_private, F_OK) != 0) {
		f->ok = true;
		buf_printf(&f->message,
		    "active key %s; its private half is not on this machine (only the courier's "
		    "needs it)",
		    id);
		return;
	}
	if (access(s->keyring_private, R_OK) != 0) {
		f->ok = true;
		buf_printf(
		    &f->message, "active key %s; this user may not look at the private half", id);
		return;
	}
	if (!load_ring(s->keyring_private, priv, f))
		return;
	f->ok = keyring_same_active(pub, priv);
	if (f->ok) {
		buf_printf(&f->message, "active key %s, both halves", id);
		return;
	}
	buf_printf(&f->message,
	    "the public file seals to key %s, which is not the private file's active one", id);
	buf_printf(&f->cure, "sigsentryctl keyring rotate, where a rotation was not finished; or "
			     "put the two files of one keyring in place, then restart the workers");
}

static void
look_keyring(const struct ctl *ctl, struct finding *f)
{
	struct keyring *pub = NULL, *priv = NULL;

	if (access(ctl->settings->keyring_public, F_OK) != 0) {
		buf_printf(&f->message, "there is no %s", ctl->settings->keyring_public);
		buf_printf(
		    &f->cure, keyring_look(ctl->settings) == KEYRING_NONE
				  ? "sigsentryctl keyring generate, or copy the file from the "
				    "machine that has it"
				  : "sigsentryctl setup writes it anew from the private file");
		return;
	}
	if (crypt_init() == ERR_OK) {
		pub = keyring_new();
		priv = keyring_new();
	}
	if (pub != NULL && priv != NULL) {
		look_rings(ctl, pub, priv, f);
	} else {
		buf_printf(&f->message, "no locked memory to read it into");
		buf_printf(&f->cure, "raise the limit (ulimit -l, LimitMEMLOCK=)");
	}
	keyring_free(priv);
	keyring_free(pub);
}

static void
look_database(const struct ctl *ctl, struct finding *f)
{
	struct db_rows *rows = NULL;
	enum err e;

	e = db_call(ctl->db, &Q_MIGRATION_EXISTS, NULL, 0, ctl_deadline(CTL_DEADLINE_MS), &rows);
	db_rows_free(rows);
	f->ok = e == ERR_OK;
	if (f->ok) {
		buf_printf(&f->message, "reached as %s, writable", CTL_ROLE);
		return;
	}
	buf_printf(&f->message, "cannot be reached as %s: %s", CTL_ROLE, db_last_error(ctl->db));
	buf_printf(&f->cure, "is the server up, does `database` name it, does pg_hba.conf let this "
			     "user in as that role? A new "
			     "server wants: sigsentryctl setup");
}

static void
look_schema(const struct ctl *ctl, struct finding *f)
{
	struct migrate_state state;
	enum err e;

	e = migrate_look(ctl, &state);
	f->ok = e == ERR_OK && state.version == (int64_t)migrate_nsteps;
	if (e != ERR_OK) {
		buf_add(&f->message, buf_slice(ctl->why));
		buf_reset(ctl->why);
		buf_printf(&f->cure, "use the sigsentryctl that this schema belongs to");
	} else {
		buf_printf(
		    &f->message, "version %lld of %zu", (long long)state.version, migrate_nsteps);
		if (!f->ok)
			buf_printf(&f->cure, "sigsentryctl migrate");
	}
	migrate_state_clear(&state);
}

/* What q/role_state.sql says of a role, for people. */
static const struct role_fault {
	const char *word, *message, *cure;
} role_faults[] = {
    {"missing", "is missing", "sigsentryctl setup"},
    {"super", "is a superuser: it could read every table", "ALTER ROLE … NOSUPERUSER"},
    {"nologin", "may not log in", "ALTER ROLE … LOGIN"},
    {"nogrant", "may not use its schema", "sigsentryctl migrate"},
    {"toomuch", "may look into schema sigsentry: it could read every table",
	"sigsentryctl migrate"},
    {"unset", "has not the settings of our sessions, which a pooler keeps from the server",
	"ALTER ROLE … SET plan_cache_mode = force_generic_plan, and the others that scale.md "
	"lists"},
};

/* Does this machine seal to a key that the database takes nothing from any more? */
static void
look_retired(const struct ctl *ctl, struct finding *f)
{
	struct keyring *ring = crypt_init() == ERR_OK ? keyring_new() : NULL;
	struct db_rows *rows = NULL;
	char id[KEYRING_ID_TEXT] = "";
	struct db_param key;
	enum err e = ERR_NOMEM;

	if (ring != NULL && access(ctl->settings->keyring_public, R_OK) == 0 &&
	    keyfile_load(ctl->settings->keyring_public, ring) == ERR_OK)
		text_hex(keyring_active(ring)->id, KEYRING_ID_LEN, id);
	keyring_free(ring);
	if (id[0] == '\0') {
		buf_printf(
		    &f->message, "not looked at: %s comes first", ctl->settings->keyring_public);
		f->ok = true; /* the keyring's own part has said so */
		return;
	}
	key = db_param_text(slice_of(id));
	e = db_call(
	    ctl->db, &Q_ADMIN_KEYRING_RETIRED, &key, 1, ctl_deadline(CTL_DEADLINE_MS), &rows);
	f->ok = e == ERR_OK && db_text(rows, 0, 0).ptr == NULL;
	if (e != ERR_OK)
		buf_printf(&f->message, "%s", db_last_error(ctl->db));
	else if (f->ok)
		buf_printf(&f->message, "key %s is in use", id);
	else
		buf_printf(&f->message, "key %s was retired: nothing sealed to it is stored", id);
	if (e == ERR_OK && !f->ok)
		buf_printf(&f->cure, "copy the current keyring.public to this machine, then "
				     "systemctl reload sigsentry-api");
	db_rows_free(rows);
}

static void
look_roles(const struct ctl *ctl, struct finding *f)
{
	struct db_rows *rows = NULL;
	struct slice role, word;
	const char *sep = "";
	size_t row, i;
	enum err e;

	e = db_call(ctl->db, &Q_ROLE_STATE, NULL, 0, ctl_deadline(CTL_DEADLINE_MS), &rows);
	f->ok = e == ERR_OK;
	if (e != ERR_OK)
		buf_printf(&f->message, "%s", db_last_error(ctl->db));
	for (row = 0; e == ERR_OK && row < db_nrows(rows); row++) {
		role = db_text(rows, row, 0);
		word = db_text(rows, row, 1);
		for (i = 0; i < sizeof(role_faults) / sizeof(role_faults[0]); i++) {
			if (!slice_eq(word, slice_of(role_faults[i].word)))
				continue;
			f->ok = false;
			buf_printf(&f->message, "%s%.*s %s", sep, (int)role.len, role.ptr,
			    role_faults[i].message);
			buf_printf(&f->cure, "%s%s", sep, role_faults[i].cure);
			sep = "; ";
		}
	}
	if (f->ok)
		buf_printf(&f->message, "each is there and may do what it needs, and no more");
	db_rows_free(rows);
}

/* Connect to the socket ${path} and let go again; errno says why not. */
static bool
knock(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, saved;
	bool ok;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return (false);
	ok = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;
	saved = errno;
	close(fd);
	errno = saved;
	return (ok);
}

static void
look_socket(const struct ctl *ctl, struct finding *f)
{
	const char *path = ctl->settings->api_socket;

	f->ok = knock(path);
	if (f->ok) {
		buf_printf(&f->message, "%s answers", path);
		return;
	}
	buf_printf(&f->message, "%s: %s", path, strerror(errno));
	if (errno == EACCES || errno == EPERM)
		buf_printf(&f->cure, "run this as root: the socket is for nginx's group alone");
	else if (errno == EAGAIN)
		buf_printf(&f->cure, "its backlog is full: look at the load, and at api_workers");
	else
		buf_printf(&f->cure, "start sigsentry-api (systemctl start sigsentry-api.socket), "
				     "and look at its log");
}

/* A courier counts once a minute, whichever it is. */
static void
look_courier(const struct ctl *ctl, struct finding *f)
{
	struct db_rows *rows = NULL;
	int64_t ago_s = -1;
	enum err e;

	e = db_call(ctl->db, &Q_COURIER_SEEN, NULL, 0, ctl_deadline(CTL_DEADLINE_MS), &rows);
	if (e != ERR_OK) {
		buf_printf(&f->message, "%s", db_last_error(ctl->db));
		db_rows_free(rows);
		return;
	}
	if (db_nrows(rows) == 1)
		ago_s = db_int(rows, 0, 0, -1);
	db_rows_free(rows);
	f->ok = ago_s >= 0 && ago_s < COURIER_SEEN_MAX_S;
	if (ago_s < 0)
		buf_printf(&f->message, "none has worked on this database yet");
	else
		buf_printf(&f->message, "one did its chores %lld s ago", (long long)ago_s);
	if (!f->ok)
		buf_printf(&f->cure, "start sigsentry-courier (systemctl start sigsentry-courier), "
				     "and look at its log; it works once a minute");
}

/* Does the queue go, or has somebody, or a courier that found an older database, to be answered? */
static void
look_queue(const struct ctl *ctl, struct finding *f)
{
	struct db_rows *rows = NULL;
	struct slice at, why;
	enum err e;

	e = db_call(ctl->db, &Q_ADMIN_QUEUE_HELD, NULL, 0, ctl_deadline(CTL_DEADLINE_MS), &rows);
	if (e != ERR_OK) {
		buf_printf(&f->message, "%s", db_last_error(ctl->db));
		db_rows_free(rows);
		return;
	}
	f->ok = slice_eq(db_text(rows, 0, 0), slice_of("f"));
	at = db_text(rows, 0, 1);
	why = db_text(rows, 0, 3);
	if (f->ok) {
		buf_printf(&f->message, "not held");
	} else {
		buf_printf(&f->message, "held since %.*s: ", (int)at.len, at.ptr);
		output_plain(why, &f->message);
		buf_printf(&f->cure, "sigsentryctl queue status shows what waits, queue release "
				     "sends all of it, queue discard --before TIME only what was "
				     "published since then");
	}
	db_rows_free(rows);
}

/* clang-format off */
static const struct part parts[] = {
	{"config",   false, false, false, look_config},
	{"keyring",  true,  false, false, look_keyring},
	{"database", true,  false, false, look_database},
	{"schema",   true,  true,  false, look_schema},
	{"sealing",  true,  true,  true,   look_retired},
	{"roles",    true,  true,  false, look_roles},
	{"socket",   true,  false, false, look_socket},
	{"courier",  true,  true,  true,  look_courier},
	{"queue",    true,  true,  true,  look_queue},
};
/* clang-format on */

#define NPARTS (sizeof(parts) / sizeof(parts[0]))

/* Look at all parts; return how many are ill. */
static size_t
look_all(const struct ctl *ctl, struct finding found[NPARTS])
{
	bool has_database = true, has_schema = true;
	size_t i, nill = 0;

	for (i = 0; i < NPARTS; i++) {
		if (parts[i].needs_config && ctl->settings == NULL)
			buf_printf(&found[i].message, "not looked at: the config comes first");
		else if (parts[i].needs_database && !has_database)
			buf_printf(&found[i].message, "not looked at: the database comes first");
		else if (parts[i].needs_schema && !has_schema)
			buf_printf(&found[i].message, "not looked at: the schema comes first");
		else
			parts[i].look(ctl, &found[i]);
		if (parts[i].look == look_database)
			has_database = found[i].ok;
		if (parts[i].look == look_schema)
			has_schema = found[i].ok;
		nill += found[i].ok ? 0 : 1;
	}
	return (nill);
}

/* Print the findings: lines for people, a list for programs. */
static enum err
print(const struct ctl *ctl, const struct finding found[NPARTS])
{
	static const struct output_col cols[] = {{"name", DB_TYPE_TEXT}, {"ok", DB_TYPE_BOOL},
	    {"message", DB_TYPE_TEXT}, {"cure", DB_TYPE_TEXT}};
	struct slice cells[NPARTS * 4];
	const struct output_table t = {cols, 4, cells, NPARTS};
	size_t i;

	for (i = 0; i < NPARTS; i++) {
		if (!buf_ok(&found[i].message) || !buf_ok(&found[i].cure))
			return (ERR_NOMEM);
		cells[i * 4] = slice_of(parts[i].name);
		cells[i * 4 + 1] = slice_of(found[i].ok ? "t" : "f");
		cells[i * 4 + 2] = buf_slice(&found[i].message);
		cells[i * 4 + 3] =
		    found[i].cure.len == 0 ? slice_make(NULL, 0) : buf_slice(&found[i].cure);
		if (ctl->json)
			continue;
		buf_printf(ctl->out, "%-4s %-9s %.*s\n", found[i].ok ? "ok" : "ILL", parts[i].name,
		    (int)cells[i * 4 + 2].len, cells[i * 4 + 2].ptr);
		if (cells[i * 4 + 3].ptr != NULL)
			buf_printf(ctl->out, "     cure:     %.*s\n", (int)cells[i * 4 + 3].len,
			    cells[i * 4 + 3].ptr);
	}
	return (ctl->json ? output_list(&t, true, ctl->arena, ctl->out) : ERR_OK);
}

enum err
check_run(const struct ctl *ctl)
{
	struct finding found[NPARTS];
	size_t i, nill;
	enum err e;

	memset(found, 0, sizeof(found));
	for (i = 0; i < NPARTS; i++) {
		buf_init(&found[i].message, 4096);
		buf_init(&found[i].cure, 4096);
	}
	nill = look_all(ctl, found);
	e = print(ctl, found);
	for (i = 0; i < NPARTS; i++) {
		buf_clear(&found[i].message);
		buf_clear(&found[i].cure);
	}
	if (e != ERR_OK || nill == 0)
		return (e);
	buf_printf(ctl->why, "%zu of %zu parts are ill", nill, NPARTS);
	return (ERR_DENIED);
}
