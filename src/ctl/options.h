#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

/** Every option of every command; the rows of options.c. */
enum option {
	OPTION_CONFIG = 0, /* the global ones first */
	OPTION_OVERRIDE,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION__GLOBALS,
	OPTION_TENANT = OPTION__GLOBALS,
	OPTION_PROJECT,
	OPTION_ID,
	OPTION_NAME,
	OPTION_SLUG,
	OPTION_PLAN,
	OPTION_KIND,
	OPTION_PERMISSION,
	OPTION_EXPIRES,
	OPTION_TYPE,
	OPTION_THRESHOLD,
	OPTION_CREDENTIALS,
	OPTION_CHANNELS,
	OPTION_READS,
	OPTION_WRITES,
	OPTION_LIMIT,
	OPTION_SINCE,
	OPTION_STATUS,
	OPTION_DELIVERY_STATUS, /* --status too, with a value: options_twin() */
	OPTION_CHANNEL,
	OPTION_DELIVERY,
	OPTION_UNTIL,
	OPTION_BEFORE,
	OPTION_REASON,
	OPTION_FILE,
	OPTION_RING,
	OPTION_KEY,
	OPTION_PUBLIC,
	OPTION_NAGIOS,
	OPTION_AUTOMATIC,
	OPTION_ADMIN_USER,
	OPTION_DRY_RUN,
	OPTION_START,
	OPTION_YES,
	OPTION__MAX
};

/** One option: how it is written and what its value must be. */
struct option_row {
	const char *name; /* "tenant" is written --tenant */
	char letter;      /* "c" is also written -c; '\0': no short form */
	bool repeats;
	const char *value; /* what its value is called, NULL: it takes none */
	const char *what;  /* for the help, one line */
	/*
	 * Judge ${text} and put what the database gets into ${out}, in ${a} (absent: NULL); NULL:
	 * any text.  ERR_INVALID: ${why} says what it must be.
	 */
	enum err (*convert)(
	    struct arena *a, struct slice text, struct slice *out, const char **why);
	const char *const *words; /* all or some that its value may be, for completion */
	size_t nwords;
};

extern const struct option_row option_rows[OPTION__MAX];

/** What the command line says: its options, and the words that are none. */
struct options {
	struct options_given {
		struct slice *values; /* converted */
		size_t
		    nvalues; /* 0: it was not given; of an option without value: how often it was */
	} of[OPTION__MAX];
	struct slice *words;
	size_t nwords;
};

/**
 * options_parse(o, a, argc, argv, why):
 * Read ${argv}, options and words in any order ("--" ends the options), into ${o}, which lives as
 * long as ${a}. ERR_INVALID: ${why} says what is wrong with the command line.  ERR_NOMEM.
 */
enum err options_parse(
    struct options *o, struct arena *a, int argc, char *const argv[], struct buf *why) MUST_CHECK;

/**
 * options_set(o, a, option, text, why):
 * Take ${text} as if --option had been given with it: for words that stand for one.  Errors as
 * above.
 */
enum err options_set(struct options *o, struct arena *a, enum option option, struct slice text,
    struct buf *why) MUST_CHECK;

/**
 * options_find(arg, option, value, why):
 * Find the option that ${arg}, which begins with '-', names; ${value} gets what is attached to it
 * ("--kind=pub", "-cFILE"), or is absent.  ERR_INVALID: there is none; ${why}.
 */
enum err options_find(
    struct slice arg, enum option *option, struct slice *value, struct buf *why) MUST_CHECK;

/**
 * options_twin(option):
 * The other option of the same name, which one command takes with a value and another one without;
 * OPTION__MAX: there is none.  On a command line the word behind it tells which is meant: what is a
 * word of the one's table, or nearly one, is its value.
 */
enum option options_twin(enum option option);

/**
 * options_has(o, option), options_value(o, option):
 * Was it given?  Its last value as converted; absent where it was not given or stands for "none".
 */
bool options_has(const struct options *o, enum option option);
struct slice options_value(const struct options *o, enum option option);

#endif
