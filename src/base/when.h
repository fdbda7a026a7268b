#ifndef BASE_WHEN_H
#define BASE_WHEN_H

#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/**
 * when_rfc3339(s, at_ms):
 * Read a time with its offset (RFC 3339 §5.6; 't' or a blank for the T): milliseconds since 1970.
 * ERR_INVALID: anything else, a day that its month has not, years but 1970 to 9999, in UTC too.
 */
enum err when_rfc3339(struct slice s, int64_t *at_ms) MUST_CHECK;

/**
 * when_parse(s, now_ms, sign, at_ms):
 * Read a moment as people type it: as when_rfc3339(), or whole days from ${now_ms} ("90d", 1 to
 * 36,500), forward where ${sign} is 1, back where it is -1.  ERR_INVALID: anything else.
 */
enum err when_parse(struct slice s, int64_t now_ms, int sign, int64_t *at_ms) MUST_CHECK;

#endif
