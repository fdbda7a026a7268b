#ifndef API_COUNTERS_H
#define API_COUNTERS_H

#include <stddef.h>

#include "base/buf.h"

#define COUNTERS_WORKERS_MAX 64 /* as api_workers' */

/**
 * Counts of answered requests by worker, route and status, in memory that the master and all its
 * workers share: each worker adds to its own, whoever is scraped sums them up.
 */
struct counters;

/**
 * counters_new():
 * Make all counts, 0.  To be called before the first fork.  NULL: no memory.
 */
struct counters *counters_new(void);

/**
 * counters_add(c, worker, route, status):
 * Count one answer.  ${route} is route_index()'s.  ${c} may be NULL.
 */
void counters_add(struct counters *c, size_t worker, size_t route, int status);

/**
 * counters_print(c, out):
 * Append them in Prometheus' text format.
 */
void counters_print(const struct counters *c, struct buf *out);

#endif
