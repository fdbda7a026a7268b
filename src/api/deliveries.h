#ifndef API_DELIVERIES_H
#define API_DELIVERIES_H

struct call;

/**
 * deliveries_*(c):
 * What can be done with a channel's deliveries (contract §5): each answers the request ${c}.
 */
void deliveries_test(struct call *c);
void deliveries_list(struct call *c);
void deliveries_get(struct call *c);
void deliveries_retry(struct call *c);
void deliveries_retry_many(struct call *c);

#endif
