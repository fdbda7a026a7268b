#ifndef CTL_MIGRATE_H
#define CTL_MIGRATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ctl/ctl.h"

/** One file of sql/schema, made into C by sql/embed.awk. */
struct migrate_step {
	int64_t version;    /* 1, 2, 3, … without gaps */
	const char *name;   /* "base" of 001-base.sql */
	const char *sha256; /* of the file, hex */
	const char
	    *script; /* its text between what takes the lock and what notes it: one transaction */
};

extern const struct migrate_step migrate_steps[];
extern const size_t migrate_nsteps;

/* The functions and grants, one transaction; refuses a database that is at another version than the
 * last step. */
extern const char migrate_finish[];

/** What a database has had. */
struct migrate_state {
	int64_t version;      /* 0: nothing yet */
	struct db_rows *rows; /* as q/migration_list.sql gives them; NULL: nothing yet */
};

/**
 * migrate_look(ctl, state):
 * Read which files the database has had, and hold them against this program's.  ERR_DENIED: it is
 * newer, or a file differs;
 * ${ctl}->why says which, ${state} is filled all the same.  The caller gives it to
 * migrate_state_clear() in every case.
 */
enum err migrate_look(const struct ctl *ctl, struct migrate_state *state) MUST_CHECK;
void migrate_state_clear(struct migrate_state *state);

/**
 * migrate_up(ctl, on_step, ctx):
 * Bring the schema up to this program's version; ${on_step} is called after each file that was
 * applied.  Where somebody holds a table, it gives way and tries again for two minutes.
 */
enum err migrate_up(const struct ctl *ctl,
    void (*on_step)(void *ctx, const struct migrate_step *step), void *ctx) MUST_CHECK;

/**
 * migrate_run(ctl):
 * The command.
 */
enum err migrate_run(const struct ctl *ctl) MUST_CHECK;

#endif
