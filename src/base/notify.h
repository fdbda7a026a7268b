#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/**
 * notify(state):
 * Tell the service manager ${state} ("READY=1", "STOPPING=1", …) by the datagram protocol of
 * sd_notify(3), where NOTIFY_SOCKET names one; else do nothing.  The protocol is one sendto(),
 * which is less than a library's weight.
 */
void notify(const char *state);

#endif
