/* sigsentry-api(8): reads its options and settings, opens the socket, and runs the pool. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/listen.h"
#include "api/master.h"
#include "base/log.h"

#define OVERRIDES_MAX 64

static const char usage[] =
    "usage: sigsentry-api [-c FILE] [-o KEY=VALUE]...\n"
    "\n"
    "Serves the API of SigSentry Channels to a web server, by FastCGI, until SIGTERM.\n"
    "\n"
    "  -c, --config FILE     the config file (default " SETTINGS_PATH ")\n"
    "  -o, --option KEY=VALUE  override one key of it, as often as needed\n"
    "  -h, --help            show this\n"
    "  -V, --version         show the version\n"
    "\n"
    "It listens on the socket that systemd or spawn-fcgi hands it, else on api_socket.\n"
    "SIGHUP reads the config again and replaces the workers without a gap;\n"
    "SIGTERM lets running requests end.  It stays in the foreground and logs to\n"
    "standard error.\n"
    "\n"
    "example: sigsentry-api -c /etc/sigsentry/sigsentry.conf -o api_workers=8\n"
    "see also: sigsentry-api(8), sigsentry.conf(5)\n";

/* What the command line says. */
struct command_line {
	const char *config;
	const char *overrides[OVERRIDES_MAX];
	size_t noverrides;
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
			puts("sigsentry-api " PACKAGE_VERSION);
			exit(0);
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sigsentry-api: \"%s\" is not an option\n%s", argv[optind], usage);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	const struct settings *settings;
	struct master_source source;
	struct command_line line;
	struct listener listener;
	struct buf why;
	int status;

	log_setup("sigsentry-api", LOG_LEVEL_INFO);
	read_options(argc, argv, &line);
	buf_init(&why, 4096);
	source = (struct master_source){line.config, line.overrides, line.noverrides};
	if ((settings = settings_load(line.config, line.overrides, line.noverrides, &why)) == NULL)
		fatal("%s", buf_str(&why));
	log_setup("sigsentry-api", (enum log_level)settings->log_level);
	if (listen_open(settings, &listener, &why) != ERR_OK)
		fatal("%s", buf_str(&why));
	buf_clear(&why);
	status = master_run(settings, &source, &listener);
	listen_close(&listener);
	return (status);
}
