/* notify: what systemd hears, and how often. */
#include "base/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

/* A datagram socket of an abstract name, which NOTIFY_SOCKET says. */
static int
listen_as_systemd(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char name[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(name, sizeof(name), "@sigsentry-test-%d", (int)getpid());
	memcpy(sa.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa,
			     (socklen_t)(sizeof(sa.sun_family) + strlen(name))),
	    0);
	setenv("NOTIFY_SOCKET", name, 1);
	return (fd);
}

/* The next word that came; "" where there is none. */
static const char *
heard(int fd)
{
	static char word[64];
	ssize_t n = recv(fd, word, sizeof(word) - 1, 0);

	word[n < 0 ? 0 : n] = '\0';
	return (word);
}

static void
test_notify(void **st)
{
	int fd = listen_as_systemd();

	(void)st;
	notify("READY=1");
	assert_string_equal(heard(fd), "READY=1");
	unsetenv("NOTIFY_SOCKET");
	notify("READY=1");
	assert_string_equal(heard(fd), "");
	close(fd);
}

static void
test_watchdog(void **st)
{
	struct notify_watchdog w;
	int fd = listen_as_systemd();

	(void)st;
	setenv("WATCHDOG_USEC", "4000000", 1);
	notify_watchdog_init(&w);
	assert_int_equal(notify_watchdog_wait_ms(&w, 1000), 0);
	notify_watchdog_feed(&w, 1000);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	notify_watchdog_feed(&w, 2999);
	assert_string_equal(heard(fd), "");
	assert_int_equal(notify_watchdog_wait_ms(&w, 2999), 1);
	notify_watchdog_feed(&w, 3000);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

static void
test_no_watchdog(void **st)
{
	static const struct {
		const char *usec, *pid;
	} rows[] = {{NULL, NULL}, {"", NULL}, {"soon", NULL}, {"-1", NULL}, {"4000000", "1"},
	    {"4000000", "me"}};
	struct notify_watchdog w;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (rows[i].usec != NULL)
			setenv("WATCHDOG_USEC", rows[i].usec, 1);
		if (rows[i].pid != NULL)
			setenv("WATCHDOG_PID", rows[i].pid, 1);
		notify_watchdog_init(&w);
		CHECK(rows[i].usec == NULL ? "none" : rows[i].usec,
		    notify_watchdog_wait_ms(&w, 5000) == -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_notify),
	    cmocka_unit_test(test_watchdog),
	    cmocka_unit_test(test_no_watchdog),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
