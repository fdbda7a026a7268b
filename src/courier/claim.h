#ifndef COURIER_CLAIM_H
#define COURIER_CLAIM_H

#include <stdint.h>

struct courier;

/**
 * claim_ask(c, now_ms):
 * Ask the queue for deliveries, if there is room and it is time; those that come begin their
 * flights.
 *
 * claim_wait_ms(c, now_ms):
 * How long until it is time; -1: not before something else happens.
 */
void claim_ask(struct courier *c, int64_t now_ms);
int64_t claim_wait_ms(const struct courier *c, int64_t now_ms);

#endif
