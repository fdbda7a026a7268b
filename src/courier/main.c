/* sigsentry-courier(8): reads its options and settings, and works until SIGTERM. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/db.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/notify.h"
#include "courier/house.h"
#include "domain/settings.h"

#define OVERRIDES_MAX 64

static const char usage[] =
    "usage: sigsentry-courier [-c FILE] [-o KEY=VALUE]...\n"
    "\n"
    "Does the work of SigSentry Channels that no request waits for, until SIGTERM: once a\n"
    "minute it forgets what has expired and makes the counts behind /metrics.\n"
    "\n"
    "  -c, --config FILE     the config file (default " SETTINGS_PATH ")\n"
    "  -o, --option KEY=VALUE  override one key of it, as often as needed\n"
    "  -h, --help            show this\n"
    "  -V, --version         show the version\n"
    "\n"
    "SIGHUP reads the config again.  It stays in the foreground and logs to standard\n"
    "error.  Several couriers may work on one database.\n"
    "\n"
    "example: sigsentry-courier -c /etc/sigsentry/sigsentry.conf\n"
    "see also: sigsentry-courier(8), sigsentry.conf(5)\n";

/* What the command line says. */
struct command_line {
	const char *config;
	const char *overrides[OVERRIDES_MAX];
	size_t noverrides;
};

/** A courier at work. */
struct courier {
	const struct command_line *line;
	const struct settings *settings;
	struct db *db;
	struct clock clock;
	int signal_fd;
	int64_t house_at_ms; /* when the next chores are due */
	bool stopping;
};

static void
read_options(int argc, char **argv, struct command_line *out)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"option", required_argument, NULL, 'o'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int opt;

	out->config = SETTINGS_PATH;
	out->noverrides = 0;
	while ((opt = getopt_long(argc, argv, "c:o:hV", longs, NULL)) != -1) {
		if (opt == 'c') {
			out->config = optarg;
		} else if (opt == 'o' && out->noverrides < OVERRIDES_MAX) {
			out->overrides[out->noverrides++] = optarg;
		} else if (opt == 'h') {
			fputs(usage, stdout);
			exit(0);
		} else if (opt == 'V') {
			puts("sigsentry-courier " PACKAGE_VERSION);
			exit(0);
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(
		    stderr, "sigsentry-courier: \"%s\" is not an option\n%s", argv[optind], usage);
		exit(2);
	}
}

/* Take the settings of the files; the ones there are stay where the new ones are wrong. */
static enum err
configure(struct courier *c, struct buf *why)
{
	const struct settings *fresh;
	struct db_options o = {.user = "sigsentry_courier", .application = "sigsentry-courier"};
	struct db *db;

	fresh = settings_load(c->line->config, c->line->overrides, c->line->noverrides, why);
	if (fresh == NULL)
		return (ERR_INVALID);
	o.conninfo = fresh->database;
	o.lock_timeout_ms = fresh->lock_timeout_ms;
	if ((db = db_new(&o)) == NULL) {
		buf_printf(why, "no memory");
		settings_free(fresh);
		return (ERR_NOMEM);
	}
	db_free(c->db);
	settings_free(c->settings);
	c->db = db;
	c->settings = fresh;
	log_setup("sigsentry-courier", (enum log_level)fresh->log_level);
	return (ERR_OK);
}

/* SIGHUP */
static void
reload(struct courier *c)
{
	struct buf why;

	notify("RELOADING=1");
	buf_init(&why, 4096);
	if (configure(c, &why) == ERR_OK) {
		log_info("courier.reload", LOG_STR("config", c->line->config));
		c->house_at_ms = 0; /* the chores are done with the new settings at once */
	} else {
		log_error("courier.reload", LOG_STR("error", buf_str(&why)),
		    LOG_STR("hint", "the old settings stay"));
	}
	buf_clear(&why);
	notify("READY=1");
}

/* Signals come by descriptor, so that nothing interrupts anything. */
static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return (-1);
	return (signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

static void
on_signal(struct courier *c)
{
	struct signalfd_siginfo info;

	while (read(c->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(c);
		else
			c->stopping = true;
	}
}

/* Wait for a signal or the next chores, and do them. */
static void
turn(struct courier *c)
{
	struct pollfd p = {.fd = c->signal_fd, .events = POLLIN};
	int64_t now = clock_mono_ms(&c->clock);

	if (now >= c->house_at_ms)
		c->house_at_ms = now + house_keep(c->db, now);
	now = clock_mono_ms(&c->clock);
	if (poll(&p, 1, now < c->house_at_ms ? (int)(c->house_at_ms - now) : 0) > 0)
		on_signal(c);
}

int
main(int argc, char **argv)
{
	struct courier c = {.clock = clock_system()};
	struct command_line line;
	struct buf why;

	log_setup("sigsentry-courier", LOG_LEVEL_INFO);
	mem_harden();
	read_options(argc, argv, &line);
	c.line = &line;
	buf_init(&why, 4096);
	if (configure(&c, &why) != ERR_OK)
		fatal("%s", buf_str(&why));
	buf_clear(&why);
	if ((c.signal_fd = open_signals()) < 0)
		fatal("cannot wait for signals: %s", strerror(errno));
	log_info("courier.ready");
	notify("READY=1");
	while (!c.stopping)
		turn(&c);
	notify("STOPPING=1");
	log_info("courier.stop");
	db_free(c.db);
	settings_free(c.settings);
	return (0);
}
