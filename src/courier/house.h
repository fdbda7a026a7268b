#ifndef COURIER_HOUSE_H
#define COURIER_HOUSE_H

#include <stdint.h>

struct courier;

/**
 * house_ask(c, now_ms):
 * Do what must be done once a minute, whichever courier does it: forget old Idempotency-Keys,
 * replaced secrets and permits, and make the counts of the metrics.  Failures are logged; the next
 * minute tries again.
 *
 * house_wait_ms(c, now_ms):
 * How long until then.
 */
void house_ask(struct courier *c, int64_t now_ms);
int64_t house_wait_ms(const struct courier *c, int64_t now_ms);

#endif
