#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

/**
 * notify(state):
 * Tell the service manager ${state} ("READY=1", "STOPPING=1", …) by the datagram protocol of
 * sd_notify(3), where NOTIFY_SOCKET names one; else do nothing.  The protocol is one sendto(),
 * which is less than a library's weight.
 */
void notify(const char *state);

/** When systemd must hear next that this process is not stuck (WatchdogSec=). */
struct notify_watchdog {
	int64_t every_ms; /* 0: nobody waits for it */
	int64_t due_ms;   /* monotonic */
};

/**
 * notify_watchdog_init(w):
 * Take from the environment how often (sd_watchdog_enabled(3): half of what systemd would wait).
 *
 * notify_watchdog_feed(w, now_ms):
 * Say that all is well, where it is time.
 *
 * notify_watchdog_wait_ms(w, now_ms):
 * How long until it is; -1: for ever.
 */
void notify_watchdog_init(struct notify_watchdog *w);
void notify_watchdog_feed(struct notify_watchdog *w, int64_t now_ms);
int64_t notify_watchdog_wait_ms(const struct notify_watchdog *w, int64_t now_ms);

#endif
