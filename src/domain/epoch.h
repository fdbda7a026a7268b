#ifndef DOMAIN_EPOCH_H
#define DOMAIN_EPOCH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/uuid.h"

#define EPOCH_TEXT_MAX 256 /* bytes of a file that holds one */

/** A mark that was seen in the database: where it is missing later, the database is older than it
 * was (sql/schema/004-epoch.sql). */
struct epoch {
	struct uuid mark;
	char made_at[CLOCK_RFC3339_SIZE]; /* by the database's clock */
};

/**
 * epoch_set(e, mark, made_at):
 * Take both from their texts.  ERR_INVALID: one is none, ${e} is untouched.
 *
 * epoch_parse(text, e), epoch_print(e, out):
 * Read all of ${text}, as the other one appends it: one line, whose end shows that it is whole.
 * ERR_INVALID: anything else, ${e} is untouched.
 */
enum err epoch_set(struct epoch *e, struct slice mark, struct slice made_at) MUST_CHECK;
enum err epoch_parse(struct slice text, struct epoch *e) MUST_CHECK;
void epoch_print(const struct epoch *e, struct buf *out);

#endif
