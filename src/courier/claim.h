#ifndef COURIER_CLAIM_H
#define COURIER_CLAIM_H

#include <stddef.h>
#include <stdint.h>

struct courier;

#define CLAIM_BEGIN_SOME 32 /* about a millisecond's work, with events of 2 KB */

/**
 * claim_ask(c, now_ms):
 * Ask the queue for deliveries, if there is room and it is time.
 *
 * claim_begin(c, most):
 * Begin the flights of so many of those that have come, at the most.  Some at a time: rendering all
 * of a claim takes long, and meanwhile the database would wait for the outcomes of others.  All
 * have begun long before their leases end, so nobody renews those of the others.
 *
 * claim_wait_ms(c, now_ms):
 * How long until one of these is to be called; -1: not before something else happens.
 *
 * claim_drop(c):
 * Forget those that have come, whose leases end by themselves.
 */
void claim_ask(struct courier *c, int64_t now_ms);
void claim_begin(struct courier *c, size_t most);
int64_t claim_wait_ms(const struct courier *c, int64_t now_ms);
void claim_drop(struct courier *c);

#endif
