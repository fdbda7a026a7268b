#ifndef API_CHANNELS_H
#define API_CHANNELS_H

struct call;

/**
 * channels_*(c):
 * What can be done with channels (contract §3): each answers the request ${c} in c->out.
 */
void channels_list(struct call *c);
void channels_create(struct call *c);
void channels_get(struct call *c);
void channels_put(struct call *c);
void channels_patch(struct call *c);
void channels_delete(struct call *c);

#endif
