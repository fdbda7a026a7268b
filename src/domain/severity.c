/* The five severities and their words. */
#include "domain/severity.h"

const char *const severity_words[SEVERITY__MAX] = {"critical", "high", "medium", "low", "info"};

enum err
severity_parse(struct slice s, enum severity *out)
{
	unsigned int i;

	for (i = 0; i < SEVERITY__MAX; i++) {
		if (slice_eq(s, slice_of(severity_words[i]))) {
			*out = (enum severity)i;
			return (ERR_OK);
		}
	}
	return (ERR_INVALID);
}
