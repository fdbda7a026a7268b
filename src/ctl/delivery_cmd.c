/*
 * `delivery retry`: by the rules of the API, one delivery that has ended or many of a channel,
 * batch after batch, so that no transaction is long.
 */
#include "ctl/delivery_cmd.h"

#include "base/clock.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/statement.h"
#include "sql_queries.h"

#define BATCH     1000
#define ARRAY_MAX (16 * 1024 * 1024) /* bytes of an array parameter */

/* The options given to ${option}, as an array parameter. */
static void
put_all(const struct ctl *ctl, enum option option, struct buf *out)
{
	const struct options_given *given = &ctl->options->of[option];
	size_t i;

	for (i = 0; i < given->nvalues; i++)
		db_array_text(out, given->values[i]);
	db_array_end(out);
}

/* Print how many go again. */
static void
print_queued(const struct ctl *ctl, int64_t n)
{
	static const struct output_col col = {"queued", DB_TYPE_NUMBER};
	char text[DB_INT_SIZE];
	const struct slice cell = db_param_int(n, text).value;
	const struct output_table t = {&col, 1, &cell, 1};

	output_record(&t, ctl->json, ctl->out);
}

/* Look through what became of each id; tell those that were refused. */
static enum err
tell_each(const struct ctl *ctl, const struct db_rows *rows)
{
	struct slice id, status;
	enum err e = ERR_OK;
	int64_t queued = 0;
	size_t i;

	for (i = 0; i < db_nrows(rows); i++) {
		id = db_text(rows, i, 0);
		status = db_text(rows, i, 1);
		if (slice_eq(status, slice_of("ok"))) {
			queued++;
			continue;
		}
		buf_printf(ctl->why, "%s%.*s: ", e == ERR_OK ? "" : "\nsigsentryctl: ", (int)id.len,
		    id.ptr);
		e = statement_refuse(status, ctl->why);
	}
	if (queued > 0)
		print_queued(ctl, queued);
	return (e);
}

/* Retry those whose ids were given. */
static enum err
retry_these(const struct ctl *ctl)
{
	struct db_rows *rows = NULL;
	struct db_param param;
	struct buf ids;
	enum err e;

	buf_init(&ids, ARRAY_MAX);
	put_all(ctl, OPTION_DELIVERY, &ids);
	param = db_param_text(slice_of(buf_str(&ids)));
	e = buf_ok(&ids) ? db_call(ctl->db, &Q_ADMIN_DELIVERY_RETRY, &param, 1,
			       ctl_deadline(CTL_DEADLINE_MS), &rows)
			 : ERR_SPACE;
	if (e == ERR_OK)
		e = tell_each(ctl, rows);
	else
		e = statement_fault(ctl, e);
	buf_clear(&ids);
	db_rows_free(rows);
	return (e);
}

/* Retry a batch of the channel's; ${now} is when the command began. */
static enum err
retry_batch(const struct ctl *ctl, struct slice statuses, const char *now, int64_t *queued)
{
	const struct options *o = ctl->options;
	struct db_rows *rows = NULL;
	char batch[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_text(options_value(o, OPTION_CHANNEL)),
	    db_param_text(options_value(o, OPTION_SINCE)),
	    db_param_text(options_value(o, OPTION_UNTIL)),
	    options_has(o, OPTION_DELIVERY_STATUS) ? db_param_text(statuses) : db_param_null(),
	    db_param_text(slice_of(now)),
	    db_param_int(BATCH, batch),
	};
	enum err e;

	e = statement_call(
	    ctl, &Q_ADMIN_DELIVERIES_RETRY, params, sizeof(params) / sizeof(params[0]), &rows);
	*queued = e == ERR_OK ? db_int(rows, 0, 1, 0) : 0;
	db_rows_free(rows);
	return (e);
}

/* Retry all that the options choose. */
static enum err
retry_many(const struct ctl *ctl)
{
	const struct clock c = clock_system();
	char now[CLOCK_RFC3339_SIZE];
	int64_t queued = BATCH, total = 0;
	struct buf statuses;
	enum err e = ERR_OK;

	clock_rfc3339(clock_wall_ms(&c), now);
	buf_init(&statuses, ARRAY_MAX);
	put_all(ctl, OPTION_DELIVERY_STATUS, &statuses);
	while (e == ERR_OK && queued == BATCH) {
		e = retry_batch(ctl, slice_of(buf_str(&statuses)), now, &queued);
		total += queued;
	}
	/* what was queued is so, whatever became of the last batch */
	if (e == ERR_OK || total > 0)
		print_queued(ctl, total);
	buf_clear(&statuses);
	return (e);
}

/* Do the options fit each other? */
static enum err
judge(const struct options *o, struct buf *why)
{
	const struct options_given *given = &o->of[OPTION_DELIVERY_STATUS];
	const bool by_id = options_has(o, OPTION_DELIVERY);
	size_t i;

	if (by_id && (options_has(o, OPTION_CHANNEL) || options_has(o, OPTION_SINCE) ||
			 options_has(o, OPTION_UNTIL) || given->nvalues > 0))
		buf_printf(why, "give ids of deliveries, or --channel and --since; not both");
	else if (!by_id && (!options_has(o, OPTION_CHANNEL) || !options_has(o, OPTION_SINCE)))
		buf_printf(why, "say which deliveries: their ids, or --channel and --since");
	for (i = 0; i < given->nvalues && why->len == 0; i++) {
		if (slice_eq(given->values[i], slice_of("pending")) ||
		    slice_eq(given->values[i], slice_of("sending")))
			buf_printf(why,
			    "--status must be failed, cancelled or delivered: what has not ended "
			    "is tried by itself");
	}
	return (why->len == 0 ? ERR_OK : ERR_INVALID);
}

enum err
delivery_retry_run(const struct ctl *ctl)
{
	enum err e;

	if ((e = judge(ctl->options, ctl->why)) != ERR_OK)
		return (e);
	return (options_has(ctl->options, OPTION_DELIVERY) ? retry_these(ctl) : retry_many(ctl));
}
