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
 * outbox_is_empty(c):
 * Is everything written down?
 */
void outbox_flush(struct courier *c);
bool outbox_is_empty(const struct courier *c);

#endif
