/* What systemd wants to hear of a Type=notify service. */
#include "base/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len;
	int s;

	if (path == NULL || (len = strlen(path)) == 0 || len >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* an abstract socket */
	if ((s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	(void)sendto(s, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(s);
}

void
notify_watchdog_init(struct notify_watchdog *w)
{
	const char *usec = getenv("WATCHDOG_USEC"), *who = getenv("WATCHDOG_PID");
	uint64_t n = 0, pid = 0;

	*w = (struct notify_watchdog){0, 0};
	if (usec == NULL || text_u64(slice_of(usec), INT64_MAX, &n) != ERR_OK)
		return;
	if (who != NULL &&
	    (text_u64(slice_of(who), INT32_MAX, &pid) != ERR_OK || (pid_t)pid != getpid()))
		return; /* meant for the process that started us */
	w->every_ms = (int64_t)(n / 2000);
}

void
notify_watchdog_feed(struct notify_watchdog *w, int64_t now_ms)
{
	if (w->every_ms == 0 || now_ms < w->due_ms)
		return;
	w->due_ms = now_ms + w->every_ms;
	notify("WATCHDOG=1");
}

int64_t
notify_watchdog_wait_ms(const struct notify_watchdog *w, int64_t now_ms)
{
	if (w->every_ms == 0)
		return (-1);
	return (w->due_ms > now_ms ? w->due_ms - now_ms : 0);
}
