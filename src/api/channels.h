#ifndef API_CHANNELS_H
#define API_CHANNELS_H

struct call;

/**
 * channels_create(c):
 * POST /v1/config/notifications: validate, seal, store, answer 201 with the new id (contract §3).
 */
void channels_create(struct call *c);

#endif
