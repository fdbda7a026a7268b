#ifndef COURIER_LOOP_H
#define COURIER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/** What waits for descriptors (epoll(7)); timers are each room's own affair: the loop asks how long
 * it may sleep. */
struct loop;

/** Called when the descriptor is ready; ${events} are of poll(2). */
typedef void loop_ready(void *ctx, int fd, short events);

/**
 * loop_new(), loop_free(l):
 * NULL: the kernel has no more.  The free takes NULL and closes no watched descriptor.
 */
struct loop *loop_new(void);
void loop_free(struct loop *l);

/**
 * loop_watch(l, fd, events, ready, ctx):
 * Call ${ready} when ${fd} is ready for ${events} (poll(2)'s POLLIN, POLLOUT); replaces what was
 * said of
 * ${fd} before; no events ends it.  A closed descriptor must be ended before its number is used
 * again.
 */
enum err loop_watch(struct loop *l, int fd, short events, loop_ready *ready, void *ctx) MUST_CHECK;

/**
 * loop_wait(l, timeout_ms):
 * Wait until something is ready or ${timeout_ms} is over (-1: for ever), and call what was asked
 * for.
 */
void loop_wait(struct loop *l, int64_t timeout_ms);

#endif
