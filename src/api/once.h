#ifndef API_ONCE_H
#define API_ONCE_H

#include "base/err.h"

struct call;

/**
 * once_check(c):
 * Judge the Idempotency-Key header of a request whose route heeds it (contract §4): faults are
 * issues.
 */
void once_check(struct call *c);

/**
 * once_make(c, answer, location):
 * Fill c->once with the request's Idempotency-Key, the MAC of route and body keyed with the API
 * key, and what the request will be answered with; its key is NULL where the request has none.
 */
enum err once_make(struct call *c, const char *answer, const char *location) MUST_CHECK;

#endif
