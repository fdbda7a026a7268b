#ifndef DOMAIN_CUT_H
#define DOMAIN_CUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/text.h"

/** What a platform counts. */
enum cut_unit {
	CUT_CODE_POINTS = 0,
	CUT_UTF16, /* UTF-16 code units: two beyond U+FFFF */
	CUT_BYTES, /* bytes of UTF-8 */
	CUT_JSON,  /* bytes of UTF-8 inside a JSON string, as json_put() writes it */
	CUT__MAX
};

/* What stands for an ASCII character that means something to a platform; NULL: it stands for
 * itself. */
#define CUT_ASCII 128

/** How a platform wants its text. */
struct cut_how {
	enum cut_unit unit;
	const char *const *escapes; /* CUT_ASCII of them, or NULL: nothing is escaped */
	const char *line_start;     /* ASCII characters that get a backslash at a line's start, or
				       NULL */
	char never_twice;           /* of two in a row U+200B keeps the second away; 0: none */
	size_t lines;               /* at most; later breaks become blanks.  0: any number */
};

/**
 * cut_put(b, s, how, max):
 * Append the untrusted text ${s} to ${b}, escaped as ${how} says, in at most ${max} of its units,
 * all counted after escaping.  What does not fit ends in "…"; the cut never falls into a code
 * point or an escape, nor, where that can be, before a mark that belongs to the letter ahead of it
 * (accents, variation selectors, joined emoji).  Return how many units were appended.
 *
 * On the way text is cleaned: bytes that are not UTF-8 become U+FFFD; CR LF, CR, NEL, U+2028 and
 * U+2029 become LF; other controls and what turns the direction of the text around it (U+202A to
 * U+202E, U+2066 to U+2069) are left out; white space at both ends goes; more than one empty line
 * is one.  In the last of the lines white space is one blank.
 */
size_t cut_put(struct buf *b, struct slice s, const struct cut_how *how, size_t max);

/**
 * cut_is_blank(s):
 * Is there nothing to be seen in ${s}: white space, controls, characters without width?  Of such a
 * text cut_put() may leave nothing, and platforms refuse empty strings.
 */
bool cut_is_blank(struct slice s);

/**
 * cut_len(s, unit):
 * The length of ${s}, UTF-8, in ${unit}.
 */
size_t cut_len(struct slice s, enum cut_unit unit);

#endif
