#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** How far a long command has come: one line on standard error, where that is a terminal. */
struct progress {
	const char *what;   /* "values" */
	int64_t total;      /* at least 1, or 0: not known */
	int64_t began_ms;   /* on the monotonic clock */
	int64_t painted_ms; /* when the line was last written; 0: never */
	bool is_shown;      /* somebody looks on */
};

/**
 * progress_begin(p, what, total):
 * Begin to count ${what} (a plural, borrowed), of which there are about ${total}; 0: that is not
 * known.  Shows nothing where standard error is no terminal, or a dumb one.
 *
 * progress_set(p, done):
 * ${done} of them are done.  Writes ten times a second at the most, so it may be called for each.
 *
 * progress_end(p):
 * Take the line away; to be called before anything else is written to the terminal.
 */
void progress_begin(struct progress *p, const char *what, int64_t total);
void progress_set(struct progress *p, int64_t done);
void progress_end(struct progress *p);

#endif
