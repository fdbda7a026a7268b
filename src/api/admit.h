#ifndef API_ADMIT_H
#define API_ADMIT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/uuid.h"

struct call;

/**
 * admit(c):
 * Let the request in as far as that can be told before its own call to the database, which looks at
 * the key again: with a permit that this worker holds nothing is asked.  False: it was refused, in
 * c->out: for what is wrong with key, project, permission, rate or the request itself.
 */
bool admit(struct call *c);

/**
 * admit_channel(c):
 * The same for a request that changes the channel c->id, whose body is to be judged by it: in
 * c->admission.  A fault of the body is left to the caller, who ends with admit_refuse().
 */
bool admit_channel(struct call *c);

/**
 * admit_refuse(c):
 * Answer with what is wrong with the request itself: all of its issues, or c->refusal.
 */
void admit_refuse(struct call *c);

/**
 * admit_settle(c, e):
 * After a call to the database that gave ${e} and c->ruling: true where it was done; else the
 * refusal is in c->out.
 */
bool admit_settle(struct call *c, enum err e);

/**
 * admit_headers(c):
 * Add the rate limit's headers to c->out where the key has proved good (contract §6).
 */
void admit_headers(struct call *c);

#endif
