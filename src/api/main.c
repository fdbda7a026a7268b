/* sigsentry-api(8): reads its options and settings, opens the socket, and runs the pool. */
#include "api/listen.h"
#include "api/master.h"
#include "base/cmdline.h"
#include "base/log.h"

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

int
main(int argc, char **argv)
{
	const struct settings *settings;
	struct cmdline line;
	struct listener listener;
	struct buf why;
	int status;

	log_setup("sigsentry-api", LOG_LEVEL_INFO);
	cmdline_read(argc, argv, "sigsentry-api", usage, SETTINGS_PATH, &line);
	buf_init(&why, 4096);
	if ((settings = settings_load(line.config, line.overrides, line.noverrides, &why)) == NULL)
		fatal("%s", buf_str(&why));
	log_setup("sigsentry-api", (enum log_level)settings->log_level);
	if (listen_open(settings, &listener, &why) != ERR_OK)
		fatal("%s", buf_str(&why));
	buf_clear(&why);
	status = master_run(settings, &line, &listener);
	listen_close(&listener);
	return (status);
}
