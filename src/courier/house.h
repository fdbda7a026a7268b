#ifndef COURIER_HOUSE_H
#define COURIER_HOUSE_H

#include <stdint.h>

#include "adapters/db.h"

#define HOUSE_EVERY_MS 60000
#define HOUSE_AGAIN_MS 10000 /* after chores that failed */

/**
 * house_keep(db, now_ms):
 * Do what must be done once a minute, whichever courier does it: forget old Idempotency-Keys,
 * replaced secrets and permits, and make the counts of the metrics.  ${now_ms} is the monotonic
 * clock's.  Returns how long until it is to be called again: failures are logged, and tried again
 * soon.
 */
int64_t house_keep(struct db *db, int64_t now_ms);

#endif
