#ifndef COURIER_NOTICE_H
#define COURIER_NOTICE_H

#include <stdint.h>

struct courier;

/**
 * notice_ask(c, now_ms):
 * Mail operator_mail, where it is set, the notices of channels that fail or were switched off, if
 * it is time to look for some: each minute.  One that the relay does not take is tried again five
 * minutes later.
 *
 * notice_wait_ms(c, now_ms):
 * How long until then; -1: never.
 */
void notice_ask(struct courier *c, int64_t now_ms);
int64_t notice_wait_ms(const struct courier *c, int64_t now_ms);

#endif
