/* sigsentry-courier(8): reads its options, and goes to work. */
#include "base/cmdline.h"
#include "base/log.h"
#include "base/mem.h"
#include "courier/work.h"

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

int
main(int argc, char **argv)
{
	struct cmdline line;

	log_setup("sigsentry-courier", LOG_LEVEL_INFO);
	mem_harden();
	cmdline_read(argc, argv, "sigsentry-courier", usage, SETTINGS_PATH, &line);
	return (work_run(&line));
}
