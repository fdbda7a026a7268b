#ifndef API_OPS_H
#define API_OPS_H

struct call;

/**
 * ops_health(c), ops_ready(c), ops_metrics(c):
 * What those who run the service ask it (contract §7): does this worker live; can it reach a
 * writable database with the right schema; its counts, in Prometheus' text format.
 */
void ops_health(struct call *c);
void ops_ready(struct call *c);
void ops_metrics(struct call *c);

#endif
