#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/db.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "ctl/options.h"
#include "domain/settings.h"

/* The role that owns the schema: all that sigsentryctl does to the database, it does as this one.
 */
#define CTL_ROLE "sigsentry_owner"

/* How long a statement may take before sigsentryctl gives up; how long a
 * file of a migration, or a deletion of much, may.
 */
#define CTL_DEADLINE_MS  30000
#define CTL_LONG_WAIT_MS 3600000

struct command;

/** What a command gets to work with.  main.c owns all of it. */
struct ctl {
	const struct command *command;
	const struct settings *settings; /* NULL only for a command that bears with it (check) */
	const char *settings_fault;      /* why settings is NULL */
	const struct options *options;
	const char *config_path;
	const char *actor;   /* the local user's name, for the audit trail */
	bool json;           /* --json */
	int *exit_status;    /* what a command that succeeds ends with; 0 unless it says so */
	struct arena *arena; /* not for secrets */
	struct db *db;       /* as CTL_ROLE; opened when first used */
	struct buf *out;     /* for standard output; wiped, so that it may hold a key */
	struct buf *why;     /* one line for standard error where the command fails */
};

/**
 * ctl_deadline(wait_ms):
 * The moment ${wait_ms} from now, on the monotonic clock.
 */
int64_t ctl_deadline(int64_t wait_ms);

/**
 * ctl_db_fault(ctl, db, e):
 * Say in ${ctl}->why what ${e}, from a call of ${db}, means and what to do about it.  Returns ${e},
 * or ERR_DENIED in place of ERR_INVALID, which is for usage alone.
 */
enum err ctl_db_fault(const struct ctl *ctl, const struct db *db, enum err e);

#endif
