#ifndef CTL_STATEMENT_H
#define CTL_STATEMENT_H

#include "adapters/db.h"
#include "base/err.h"
#include "ctl/ctl.h"

/**
 * statement_list(ctl), statement_change(ctl):
 * Run the statement of ${ctl}->command, whose parameters come from its options, and print what
 * comes back: all rows; or the one row of a function that begins with its status, without that.
 */
enum err statement_list(const struct ctl *ctl) MUST_CHECK;
enum err statement_change(const struct ctl *ctl) MUST_CHECK;

/**
 * statement_call(ctl, query, params, nparams, rows):
 * Call ${query}, which gives one row that begins with its status.  ERR_DENIED: another status than
 * "ok"; ${ctl}->why says what it means.  Other errors likewise.  The caller frees ${rows} in every
 * case.
 */
enum err statement_call(const struct ctl *ctl, const struct db_query *query,
    const struct db_param *params, size_t nparams, struct db_rows **rows) MUST_CHECK;

/**
 * statement_refuse(word, why), statement_fault(ctl, e):
 * Say in ${why} what the status ${word} of a function means; say in ${ctl}->why what ${e} means,
 * from a call that may have changed something, and what to do.  Return ERR_DENIED, and ${e}.
 */
enum err statement_refuse(struct slice word, struct buf *why) MUST_CHECK;
enum err statement_fault(const struct ctl *ctl, enum err e) MUST_CHECK;

#endif
