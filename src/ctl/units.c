/* The programs as systemd's units, for `setup --start`. */
#include "ctl/units.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool
units_are_here(void)
{
	static const char *const places[] = {"/etc/systemd/system/" UNITS_TARGET,
	    "/lib/systemd/system/" UNITS_TARGET, "/usr/lib/systemd/system/" UNITS_TARGET};
	size_t i;

	if (access("/run/systemd/system", F_OK) != 0) /* sd_booted(3) */
		return (false);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (access(places[i], F_OK) == 0)
			return (true);
	}
	return (false);
}

enum err
units_start(const struct ctl *ctl)
{
	char systemctl[] = "systemctl", start[] = "start", target[] = UNITS_TARGET;
	char *const argv[] = {systemctl, start, target, NULL};
	int status = 0, errnum;
	pid_t pid;

	if ((errnum = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)) != 0) {
		buf_printf(ctl->why, "systemctl cannot be run: %s", strerror(errnum));
		return (ERR_DENIED);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			break;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return (ERR_OK);
	buf_printf(ctl->why,
	    "systemctl start " UNITS_TARGET " failed; `journalctl -u 'sigsentry-*'` says why");
	return (ERR_DENIED);
}
