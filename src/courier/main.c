/* sigsentry-courier(8): reads its options, and goes to work. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "courier/work.h"

#define OVERRIDES_MAX 64

static const char usage[] =
    "usage: sigsentry-courier [-c FILE] [-o KEY=VALUE]...\n"
    "\n"
    "Delivers what waits in the queue of SigSentry Channels, until SIGTERM, and does the\n"
    "chores that no request waits for.\n"
    "\n"
    "  -c, --config FILE     the config file (default " SETTINGS_PATH ")\n"
    "  -o, --option KEY=VALUE  override one key of it, as often as needed\n"
    "  -h, --help            show this\n"
    "  -V, --version         show the version\n"
    "\n"
    "SIGTERM lets what is under way end, for drain_s seconds; SIGHUP reads config and\n"
    "keyring again.  It stays in the foreground and logs to standard error.  Several\n"
    "couriers may work on one database.\n"
    "\n"
    "example: sigsentry-courier -c /etc/sigsentry/sigsentry.conf\n"
    "see also: sigsentry-courier(8), sigsentry.conf(5)\n";

/* What the command line says. */
struct command_line {
	const char *overrides[OVERRIDES_MAX];
	struct work_source source;
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

	out->source = (struct work_source){SETTINGS_PATH, out->overrides, 0};
	while ((opt = getopt_long(argc, argv, "c:o:hV", longs, NULL)) != -1) {
		if (opt == 'c') {
			out->source.path = optarg;
		} else if (opt == 'o' && out->source.noverrides < OVERRIDES_MAX) {
			out->overrides[out->source.noverrides++] = optarg;
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

int
main(int argc, char **argv)
{
	struct command_line line;

	log_setup("sigsentry-courier", LOG_LEVEL_INFO);
	mem_harden();
	read_options(argc, argv, &line);
	return (work_run(&line.source));
}
