#ifndef COURIER_HOUSE_H
#define COURIER_HOUSE_H

#include <stdint.h>

#include "adapters/db.h"

#define HOUSE_EVERY_MS 60000

/**
 * house_keep(db, now_ms):
 * Do what must be done once a minute, whichever courier does it: forget old Idempotency-Keys,
 * replaced secrets and permits, and make the counts of the metrics.  ${now_ms} is the monotonic
 * clock's. Failures are logged; the next minute tries again.
 */
void house_keep(struct db *db, int64_t now_ms);

#endif
