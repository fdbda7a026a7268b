#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "ctl/ctl.h"
#include "ctl/options.h"

#define COMMAND_OPTIONS_MAX 8
#define COMMAND_PARAMS_MAX  8

/** One option that a command takes. */
struct command_option {
	enum option option;
	enum command_need {
		NEED_END = 0, /* ends the list */
		NEED_NOT,     /* may be left out */
		NEED_WORDS,   /* may be left out; any number of bare words, or an option each */
		NEED_OPTION,  /* must be given */
		NEED_WORD /* must be given; as a bare word behind the command, or as an option */
	} need;
};

/* What stands for a parameter of a statement in place of an option: who calls. */
#define COMMAND_ACTOR OPTION__MAX
#define COMMAND_NULL  ((enum option)(OPTION__MAX + 1))

/** One command; sigsentryctl is the table of them (command.c). */
struct command {
	const char *words; /* "tenant create" */
	const char *what;  /* for the overview, one line */
	const char *
	    more; /* for its own help, lines of at most 80 letters that end with a newline; or "" */
	const char *example; /* what stands behind "sigsentryctl" */
	struct command_option options[COMMAND_OPTIONS_MAX];
	enum err (*run)(const struct ctl *ctl);
	bool bears_no_settings; /* run() copes with a config file that cannot be read */
	/* Of a command that is one statement (run is command_list or command_change): */
	const struct db_query *query;
	size_t nparams;
	enum option params[COMMAND_PARAMS_MAX]; /* where each of its parameters comes from */
	int64_t wait_ms;                        /* how long it may take; 0: CTL_DEADLINE_MS */
	const char *absent; /* what NULL means to people in the list; NULL: nothing */
};

/**
 * command_at(i):
 * The command in row ${i} of the table, those of one group side by side; NULL behind the last.
 */
const struct command *command_at(size_t i);

/**
 * command_find(o, found, why):
 * Find the command that the words of ${o} begin with.  ERR_INVALID: ${why} says that there is none,
 * and what there is.
 */
enum err command_find(
    const struct options *o, const struct command **found, struct buf *why) MUST_CHECK;

/**
 * command_fit(c, o, a, why):
 * Hold ${o} against what ${c} takes: bare words become the options that they stand for, nothing
 * needed is missing, nothing else is there.  ERR_INVALID: ${why}.
 */
enum err command_fit(
    const struct command *c, struct options *o, struct arena *a, struct buf *why) MUST_CHECK;

/**
 * command_help(o, out):
 * Append the help for the command, the group of commands ("tenant"), or the whole program, that the
 * words of ${o} name. ERR_NOTFOUND: they name none.
 */
enum err command_help(const struct options *o, struct buf *out) MUST_CHECK;

#endif
