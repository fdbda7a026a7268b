#ifndef COURIER_OUTBOX_H
#define COURIER_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/store_queue.h"

struct courier;

/** Outcomes on their way into the database. */
struct outbox;

/**
 * outbox_new(), outbox_free(o):
 * Make an empty one.  NULL: no memory.  The free takes NULL.
 */
struct outbox *outbox_new(void);
void outbox_free(struct outbox *o);

/**
 * outbox_add(c, outcome):
 * Put a copy of ${outcome} in.  One for which there is no memory is left to its lease: the delivery
 * goes once more.
 */
void outbox_add(struct courier *c, const struct store_outcome *outcome);

/**
 * outbox_flush(c):
 * Write down all that is there as one batch, unless one is under way.
 *
 * outbox_wait_ms(c, now_ms):
 * When there is something to flush, in ms; -1: nothing, or one is under way.
 *
 * outbox_is_empty(c):
 * Is everything written down?
 *
 * outbox_is_full(c):
 * Is so much not written down that nothing more should be claimed?
 *
 * outbox_count(c), outbox_leases(c, list, most):
 * The deliveries of those outcomes: the lease of each must hold until it is written down, or others
 * would send it again.  Fills the list with up to ${most} and returns how many.
 */
void outbox_flush(struct courier *c);
int64_t outbox_wait_ms(const struct courier *c, int64_t now_ms);
bool outbox_is_empty(const struct courier *c);
bool outbox_is_full(const struct courier *c);
size_t outbox_count(const struct courier *c);
size_t outbox_leases(const struct courier *c, struct store_lease *list, size_t most);

#endif
