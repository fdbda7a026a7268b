#ifndef DOMAIN_SEVERITY_H
#define DOMAIN_SEVERITY_H

#include "base/err.h"
#include "base/text.h"

/** How grave; smaller is graver.  The values are those of the database's columns. */
enum severity {
	SEVERITY_CRITICAL = 0,
	SEVERITY_HIGH,
	SEVERITY_MEDIUM,
	SEVERITY_LOW,
	SEVERITY_INFO, /* of events only: reaches no channel */
	SEVERITY__MAX
};

/* How many of them can be a channel's threshold: all but info. */
#define SEVERITY_THRESHOLDS SEVERITY_INFO

/* "critical", "high", "medium", "low", "info". */
extern const char *const severity_words[SEVERITY__MAX];

/**
 * severity_parse(s, out):
 * Read one of the words, in lower case.  ERR_INVALID: another.
 */
enum err severity_parse(struct slice s, enum severity *out) MUST_CHECK;

#endif
