#ifndef COURIER_FLIGHT_H
#define COURIER_FLIGHT_H

#include <stddef.h>

#include "adapters/store_queue.h"

struct courier;

/**
 * flight_begin(c, d):
 * Take the claimed delivery ${d}, which is the flight's from now on, on its way: unseal, render,
 * send; record when the answer is there.  Every flight ends in the outbox.
 */
void flight_begin(struct courier *c, struct store_claimed *d);

/**
 * flight_leases(c, list):
 * The deliveries under way into ${list}, which has room for c->nflights.
 *
 * flight_backs(c, n):
 * The same and those whose flights have not begun, with how far each has come, which the flights
 * own; in memory that the caller frees.  NULL: no memory.
 *
 * flight_cancel_all(c):
 * End them without a word: they were handed back.
 */
void flight_leases(const struct courier *c, struct store_lease *list);
struct store_back *flight_backs(struct courier *c, size_t *n);
void flight_cancel_all(struct courier *c);

#endif
