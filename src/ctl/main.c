/*
 * sigsentryctl: what an admin types.  Reads the command line and the config file, finds the
 * command's row, runs it, and prints: results to standard output, the reason of a failure, one
 * line, to standard error.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/complete.h"
#include "ctl/ctl.h"
#include "ctl/options.h"
#include "domain/settings.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define OUT_MAX       (256 * 1024 * 1024) /* bytes of an answer */
#define OVERRIDES_MAX 64

/* The exit status (contract §9). */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int64_t
ctl_deadline(int64_t wait_ms)
{
	const struct clock c = clock_system();

	return (clock_mono_ms(&c) + wait_ms);
}

enum err
ctl_db_fault(const struct ctl *ctl, const struct db *db, enum err e)
{
	const char *said = db_last_error(db);

	if (e == ERR_TIMEOUT)
		buf_printf(ctl->why,
		    "the database did not answer in time; try again, and see `sigsentryctl check`");
	else if (!db_is_open(db))
		buf_printf(ctl->why,
		    "cannot reach the database: %s; see `database` in %s, and `sigsentryctl check`",
		    said, ctl->config_path);
	else if (e == ERR_DOWN)
		buf_printf(ctl->why,
		    "the database could not do it: %s; see `sigsentryctl check`, or try again",
		    said);
	else
		buf_printf(ctl->why, "the database refused: %s; see `sigsentryctl check`", said);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

/* Who is to stand in the audit trail: the person behind sudo, the user's name, or the bare number.
 */
static const char *
actor(struct arena *a)
{
	const char *sudo_user = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *pw;

	if (sudo_user != NULL && sudo_user[0] != '\0')
		return (sudo_user);
	if ((pw = getpwuid(getuid())) != NULL)
		return (arena_dup(a, slice_of(pw->pw_name)));
	return (arena_printf(a, "%lu", (unsigned long)getuid()));
}

/* Write all of ${s} to ${fd}. */
static enum err
write_all(int fd, struct slice s)
{
	ssize_t n;

	for (; s.len > 0; s = slice_skip(s, (size_t)n)) {
		if ((n = write(fd, s.ptr, s.len)) < 0 && errno != EINTR)
			return (ERR_IO);
		n = n < 0 ? 0 : n;
	}
	return (ERR_OK);
}

/* Print what there is to print; turn the result into the exit status. */
static int
finish(enum err e, struct buf *out, struct buf *why)
{
	if (e == ERR_OK && !buf_ok(out)) {
		buf_reset(why);
		buf_printf(why,
		    "there is no memory for the answer, or it is too long: ask for less of it");
		e = ERR_SPACE;
	}
	if (write_all(STDOUT_FILENO, buf_slice(out)) != ERR_OK && e == ERR_OK) {
		buf_reset(why);
		buf_printf(why, "standard output: %s", strerror(errno));
		e = ERR_IO;
	}
	if (e == ERR_OK)
		return (EXIT_DONE);
	fprintf(stderr, "sigsentryctl: %s\n", why->len > 0 ? buf_str(why) : err_word(e));
	return (e == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED);
}

/* Load the config file and -o; where the command can do without, ${ctl}->settings stays NULL. */
static enum err
load_settings(struct ctl *ctl)
{
	const struct options_given *given = &ctl->options->of[OPTION_OVERRIDE];
	const char *overrides[OVERRIDES_MAX];
	size_t i;

	if (given->nvalues > OVERRIDES_MAX) {
		buf_printf(ctl->why, "more than %d times -o", OVERRIDES_MAX);
		return (ERR_INVALID);
	}
	for (i = 0; i < given->nvalues; i++)
		overrides[i] = given->values[i].ptr;
	ctl->settings = settings_load(ctl->config_path, overrides, given->nvalues, ctl->why);
	if (ctl->settings != NULL)
		return (ERR_OK);
	if (!ctl->command->bears_no_settings)
		return (ERR_DENIED);
	if ((ctl->settings_fault = arena_dup(ctl->arena, buf_slice(ctl->why))) == NULL)
		return (ERR_NOMEM);
	buf_reset(ctl->why);
	return (ERR_OK);
}

/* Run the command with what it needs around it. */
static enum err
run(struct ctl *ctl)
{
	/* A change has no id of its own by which a second call could know the first. */
	struct db_options o = {
	    .user = CTL_ROLE, .application = "sigsentryctl", .once = true, .as_local_user = true};
	enum err e;

	if ((ctl->actor = actor(ctl->arena)) == NULL)
		return (ERR_NOMEM);
	if ((e = load_settings(ctl)) != ERR_OK)
		return (e);
	if (ctl->settings != NULL) {
		o.conninfo = ctl->settings->database;
		o.lock_timeout_ms = ctl->settings->lock_timeout_ms;
		if ((ctl->db = db_new(&o)) == NULL) {
			e = ERR_NOMEM;
			goto out;
		}
		db_quiet(ctl->db);
	}
	e = ctl->command->run(ctl);
out:
	db_free(ctl->db);
	settings_free(ctl->settings);
	return (e);
}

/* "sigsentryctl help tenant" is "sigsentryctl tenant --help". */
static bool
wants_help(struct options *o)
{
	if (o->nwords > 0 && slice_eq(o->words[0], slice_of("help"))) {
		o->words++;
		o->nwords--;
		return (true);
	}
	return (options_has(o, OPTION_HELP));
}

/* From the command line to the result. */
static enum err
serve(struct ctl *ctl, struct options *o, int argc, char *const argv[])
{
	struct slice path;
	enum err e;

	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		complete(argc - 2, argv + 2, ctl->out);
		return (ERR_OK);
	}
	if ((e = options_parse(o, ctl->arena, argc, argv, ctl->why)) != ERR_OK)
		return (e);
	if (options_has(o, OPTION_VERSION)) {
		buf_printf(ctl->out, "sigsentryctl %s\n", PACKAGE_VERSION);
		return (ERR_OK);
	}
	if (wants_help(o) && command_help(o, ctl->out) == ERR_OK)
		return (ERR_OK);
	if ((e = command_find(o, &ctl->command, ctl->why)) != ERR_OK)
		return (e);
	if ((e = command_fit(ctl->command, o, ctl->arena, ctl->why)) != ERR_OK)
		return (e);
	path = options_value(o, OPTION_CONFIG);
	ctl->config_path = path.ptr == NULL ? SETTINGS_PATH : path.ptr;
	ctl->json = options_has(o, OPTION_JSON);
	return (run(ctl));
}

int
main(int argc, char *argv[])
{
	struct options o;
	struct buf out, why;
	int exit_status = EXIT_DONE, status;
	struct ctl ctl = {.options = &o, .out = &out, .why = &why, .exit_status = &exit_status};

	log_setup("sigsentryctl", LOG_LEVEL_WARN);
	mem_harden();
	buf_init(&out, OUT_MAX);
	buf_init(&why, 8192);
	if ((ctl.arena = arena_new()) == NULL)
		fatal("no memory");
	status = finish(serve(&ctl, &o, argc, argv), &out, &why);
	if (status == EXIT_DONE)
		status = exit_status;
	buf_clear(&out);
	buf_clear(&why);
	arena_free(ctl.arena);
	return (status);
}
