#ifndef COURIER_BEAT_H
#define COURIER_BEAT_H

#include <stdint.h>

struct courier;

/**
 * beat_name(c):
 * Give the courier its id and name, once.
 *
 * beat_ask(c, now_ms):
 * Say that it lives and renew its leases, if it is time: three times a lease.
 *
 * beat_wait_ms(c, now_ms):
 * How long until then.
 *
 * beat_hand_back(c):
 * Give up what is still under way: others may have it at once.
 *
 * beat_leave(c):
 * Its last word, when all else is written down: that it is alive no longer.  It beats no more; when
 * that is said, or could not be, `has_left` is set.
 */
void beat_name(struct courier *c);
void beat_ask(struct courier *c, int64_t now_ms);
int64_t beat_wait_ms(const struct courier *c, int64_t now_ms);
void beat_hand_back(struct courier *c);
void beat_leave(struct courier *c);

#endif
