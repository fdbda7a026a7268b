#ifndef CTL_WHEN_H
#define CTL_WHEN_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/**
 * when_parse(s, now_ms, sign, at_ms):
 * Read a moment as people type it: RFC 3339 with an offset ("2030-01-31T12:00:00Z", "…+01:00", a
 * fraction, the T as 't' or a blank), or whole days from ${now_ms} ("90d"), forward where ${sign}
 * is 1, back where it is -1.  ERR_INVALID: anything else, a day that its month has not (1 to 36,500
 * days; years 1970 to 9999).
 */
enum err when_parse(struct slice s, int64_t now_ms, int sign, int64_t *at_ms) MUST_CHECK;

#endif
