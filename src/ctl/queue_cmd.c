/*
 * `queue status` and `queue discard`: what an admin does about a queue that is held, since its
 * database was restored.  `queue hold` and `queue release` are statements of their own.
 */
#include "ctl/queue_cmd.h"

#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/statement.h"
#include "sql_queries.h"

#define BATCH  1000
#define PASSES 3 /* what somebody else had locked in the first is there in the second */

/* The columns of sql/q/admin_queue_held.sql that are looked at. */
enum { H_WAITING = 5, H_SENDING };

/** What was gone through. */
struct tally {
	int64_t seen, discarded;
};

/* Ask how it stands with the queue; the caller frees ${rows}. */
static enum err
ask(const struct ctl *ctl, struct db_rows **rows)
{
	enum err e =
	    db_call(ctl->db, &Q_ADMIN_QUEUE_HELD, NULL, 0, ctl_deadline(CTL_LONG_WAIT_MS), rows);

	return (e == ERR_OK ? ERR_OK : ctl_db_fault(ctl, ctl->db, e));
}

enum err
queue_status_run(const struct ctl *ctl)
{
	struct db_rows *rows = NULL;
	struct output_table t;
	enum err e;

	if ((e = ask(ctl, &rows)) == ERR_OK &&
	    (e = output_from_rows(rows, 0, ctl->arena, &t)) == ERR_OK)
		output_record(&t, ctl->json, ctl->out);
	db_rows_free(rows);
	return (e);
}

/* One batch behind ${after}, which becomes where the next one begins; absent: this was the last. */
static enum err
batch(const struct ctl *ctl, bool is_dry, struct slice *after, struct tally *tally)
{
	char number[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_text(options_value(ctl->options, OPTION_BEFORE)),
	    after->ptr == NULL ? db_param_null() : db_param_text(*after),
	    db_param_int(BATCH, number),
	    db_param_bool(is_dry),
	};
	struct db_rows *rows = NULL;
	struct slice next;
	enum err e;

	e = statement_call(
	    ctl, &Q_ADMIN_QUEUE_DISCARD, params, sizeof(params) / sizeof(params[0]), &rows);
	if (e != ERR_OK)
		goto out;
	tally->seen += db_int(rows, 0, 1, 0);
	tally->discarded += db_int(rows, 0, 2, 0);
	next = db_text(rows, 0, 3);
	*after = slice_of(next.ptr == NULL ? NULL : arena_dup(ctl->arena, next));
	if (next.ptr != NULL && after->ptr == NULL)
		e = ERR_NOMEM;
out:
	db_rows_free(rows);
	return (e);
}

/* Go once through the queue, of which there are about ${total}. */
static enum err
pass(const struct ctl *ctl, bool is_dry, int64_t total, struct tally *tally)
{
	struct slice after = slice_of(NULL);
	struct progress bar;
	enum err e;

	progress_begin(&bar, "deliveries", total);
	do {
		e = batch(ctl, is_dry, &after, tally);
		progress_set(&bar, tally->seen);
	} while (e == ERR_OK && after.ptr != NULL);
	progress_end(&bar);
	return (e);
}

/* Hold the queue; if it is held, that stays as it is. */
static enum err
hold(const struct ctl *ctl)
{
	const struct db_param params[] = {db_param_text(slice_of(ctl->actor)),
	    db_param_text(slice_of("`sigsentryctl queue discard` is at work, or was interrupted"))};
	struct db_rows *rows = NULL;
	enum err e = statement_call(ctl, &Q_ADMIN_QUEUE_HOLD, params, 2, &rows);

	db_rows_free(rows);
	return (e);
}

/* Note what was done, and let the queue go; ${waiting} is what is left in it. */
static enum err
finish(const struct ctl *ctl, int64_t discarded, int64_t *waiting)
{
	char number[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_text(slice_of(ctl->actor)),
	    db_param_text(options_value(ctl->options, OPTION_BEFORE)),
	    db_param_int(discarded, number),
	};
	struct db_rows *rows = NULL;
	enum err e;

	e = statement_call(
	    ctl, &Q_ADMIN_QUEUE_DISCARDED, params, sizeof(params) / sizeof(params[0]), &rows);
	*waiting = e == ERR_OK ? db_int(rows, 0, 2, 0) : 0;
	db_rows_free(rows);
	return (e);
}

static void
print(const struct ctl *ctl, bool is_dry, int64_t discarded, int64_t waiting)
{
	static const struct output_col done[] = {
	    {"discarded", DB_TYPE_NUMBER}, {"waiting", DB_TYPE_NUMBER}, {"released", DB_TYPE_BOOL}};
	static const struct output_col would[] = {
	    {"wouldDiscard", DB_TYPE_NUMBER}, {"wouldWait", DB_TYPE_NUMBER}};
	char first[DB_INT_SIZE], second[DB_INT_SIZE];
	const struct slice cells[] = {db_param_int(discarded, first).value,
	    db_param_int(waiting, second).value, slice_of("t")};
	const struct output_table t = {is_dry ? would : done, is_dry ? 2 : 3, cells, 1};

	output_record(&t, ctl->json, ctl->out);
}

/* Discard, until a pass finds nothing more; what a courier still sends ends by itself. */
static enum err
discard(const struct ctl *ctl, int64_t total)
{
	struct tally tally = {0, 0}, one;
	int64_t waiting;
	enum err e;
	int i;

	if ((e = hold(ctl)) != ERR_OK)
		return (e);
	for (i = 0; i < PASSES; i++) {
		one = (struct tally){0, 0};
		if ((e = pass(ctl, false, total, &one)) != ERR_OK)
			return (e);
		tally.discarded += one.discarded;
		if (one.discarded == 0)
			break;
	}
	if ((e = finish(ctl, tally.discarded, &waiting)) == ERR_OK)
		print(ctl, false, tally.discarded, waiting);
	return (e);
}

enum err
queue_discard_run(const struct ctl *ctl)
{
	const bool is_dry = options_has(ctl->options, OPTION_DRY_RUN);
	struct tally tally = {0, 0};
	struct db_rows *rows = NULL;
	int64_t total;
	enum err e;

	if (!is_dry && !options_has(ctl->options, OPTION_YES)) {
		buf_printf(ctl->why,
		    "queue discard ends what waits, which only `sigsentryctl delivery retry "
		    "--status cancelled` sends after all; say --yes if you mean it, or --dry-run "
		    "to count first");
		return (ERR_INVALID);
	}
	if ((e = ask(ctl, &rows)) != ERR_OK)
		return (e);
	total = db_int(rows, 0, H_WAITING, 0) + db_int(rows, 0, H_SENDING, 0);
	db_rows_free(rows);
	if (!is_dry)
		return (discard(ctl, total));
	if ((e = pass(ctl, true, total, &tally)) == ERR_OK)
		print(ctl, true, tally.discarded, tally.seen - tally.discarded);
	return (e);
}
