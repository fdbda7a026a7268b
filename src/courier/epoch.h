#ifndef COURIER_EPOCH_H
#define COURIER_EPOCH_H

#include <stdint.h>

struct courier;

/**
 * epoch_begin(c):
 * Read what an earlier run remembers of the database, from courier_state.  Where that cannot be
 * read the courier begins anew, and the log says so.
 *
 * epoch_ask(c, now_ms):
 * Look, if it is time or the session is a new one, whether the database still knows the mark and
 * whether the queue is held; remember the next mark.  Failures are logged; it looks again.
 *
 * epoch_wait_ms(c, now_ms):
 * How long until then; -1: not before something else happens.
 */
void epoch_begin(struct courier *c);
void epoch_ask(struct courier *c, int64_t now_ms);
int64_t epoch_wait_ms(const struct courier *c, int64_t now_ms);

#endif
