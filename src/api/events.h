#ifndef API_EVENTS_H
#define API_EVENTS_H

struct call;

/**
 * events_publish(c), events_get(c):
 * Accept an event; show one with its deliveries (contract §5).
 */
void events_publish(struct call *c);
void events_get(struct call *c);

#endif
