/*
 * Commands that are one statement each: their row in the command table says which, and where its
 * parameters come from.  The functions of sql/fn decide; their word of refusal becomes a sentence
 * here.
 */
#include "ctl/statement.h"

#include <string.h>

#include "ctl/command.h"
#include "ctl/output.h"

#define LIST_MAX 65536 /* bytes of an array parameter */

/** What a status of the functions of schema admin means, and what to do. */
struct refusal {
	const char *word;
	const char *sentence;
};

static const struct refusal refusals[] = {
    {"no_tenant", "there is no such tenant; `sigsentryctl tenant list` shows them"},
    {"no_project", "there is no such project; `sigsentryctl project list` shows them"},
    {"no_plan", "there is no such plan; `sigsentryctl plan list` shows them, `plan set` makes one"},
    {"no_channel", "there is no such channel; `sigsentryctl channel list` shows them"},
    {"no_delivery", "there is no such delivery; `sigsentryctl delivery list` shows them"},
    {"not_finished",
	"the delivery has not ended: it is tried by itself, and `delivery list` says when"},
    {"channel_inactive",
	"the channel is switched off: switch it on first, by PUT with \"isActive\": true"},
    {"no_key", "there is no such API key; `sigsentryctl apikey list` shows their ids"},
    {"slug_taken", "the tenant has a project with this slug already; choose another one"},
    {"bad_name", "the name must be 1 to 255 characters without control characters"},
    {"bad_slug", "the slug must be 1 to 63 of a-z, 0-9 and '-', and not begin or end with '-'"},
    {"bad_limit", "a limit is too small: channels from 0, requests a minute from 1, or unlimited"},
    {"bad_kind", "the kind must be pub, secret or org"},
    {"bad_permission", "a key needs at least one permission; a pub key may carry analysis:… alone"},
    {"bad_expiry", "the key would have ended before it began; give --expires a time to come"},
    {"bad_project", "an org key belongs to a tenant; leave --project out and give --tenant"},
    {"bad_id", "the tenant has a channel with this id already; run the command again"},
    {"bad_reason", "the reason must be at most 1000 characters without control characters"},
    {"not_held", "somebody has released the queue meanwhile; run the command again"},
    {"bad_digest", "the key could not be stored; run the command again"},
};

enum err
statement_refuse(struct slice word, struct buf *why)
{
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (slice_eq(word, slice_of(refusals[i].word))) {
			buf_add(why, slice_of(refusals[i].sentence));
			return (ERR_DENIED);
		}
	}
	buf_printf(why,
	    "the database refused with a word that this version does not know (%.*s); is "
	    "`sigsentryctl migrate --status` in order?",
	    (int)word.len, word.ptr == NULL ? "" : word.ptr);
	return (ERR_DENIED);
}

/* By when the statement of ${ctl}'s command must be done. */
static int64_t
deadline(const struct ctl *ctl)
{
	return (ctl_deadline(ctl->command->wait_ms != 0 ? ctl->command->wait_ms : CTL_DEADLINE_MS));
}

/* The value of an option; of one that repeats, an array of all that were given. */
static enum err
param_of(const struct ctl *ctl, enum option option, struct db_param *out)
{
	const struct options_given *given = &ctl->options->of[option];
	enum err e = ERR_OK;
	struct buf list;
	char *text;
	size_t i;

	if (!option_rows[option].repeats || given->nvalues == 0) {
		*out = db_param_text(options_value(ctl->options, option));
		return (ERR_OK);
	}
	buf_init(&list, LIST_MAX);
	for (i = 0; i < given->nvalues; i++)
		db_array_text(&list, given->values[i]);
	db_array_end(&list);
	if (!buf_ok(&list) || (text = arena_dup(ctl->arena, buf_slice(&list))) == NULL)
		e = ERR_NOMEM;
	else
		*out = db_param_text(slice_of(text));
	buf_clear(&list);
	return (e);
}

/* The parameters of ${ctl}'s statement, from its options. */
static enum err
collect(const struct ctl *ctl, struct db_param params[COMMAND_PARAMS_MAX])
{
	const struct command *c = ctl->command;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < c->nparams && e == ERR_OK; i++) {
		if (c->params[i] == COMMAND_ACTOR)
			params[i] = db_param_text(slice_of(ctl->actor));
		else if (c->params[i] == COMMAND_NULL)
			params[i] = db_param_null();
		else
			e = param_of(ctl, c->params[i], &params[i]);
	}
	return (e);
}

/* Say that the change may have been done, and which list shows it. */
static void
tell_doubt(const struct ctl *ctl)
{
	const char *words = ctl->command->words;
	const char *group = strchr(words, ' ') == NULL ? "delivery" : words;
	const char *look = slice_starts(slice_of(words), slice_of("queue ")) ? "status" : "list";

	buf_printf(ctl->why,
	    "the answer of the database was lost (%s), so it may have been done: look with "
	    "`sigsentryctl %.*s %s` before you try again",
	    db_last_error(ctl->db), (int)strcspn(group, " "), group, look);
}

enum err
statement_fault(const struct ctl *ctl, enum err e)
{
	if (!db_is_in_doubt(ctl->db))
		return (ctl_db_fault(ctl, ctl->db, e));
	tell_doubt(ctl);
	return (e);
}

enum err
statement_call(const struct ctl *ctl, const struct db_query *query, const struct db_param *params,
    size_t nparams, struct db_rows **rows)
{
	struct slice status;
	enum err e;

	e = db_call(ctl->db, query, params, nparams, deadline(ctl), rows);
	if (e != ERR_OK)
		return (statement_fault(ctl, e));
	status = db_nrows(*rows) == 1 ? db_text(*rows, 0, 0) : slice_of("no row");
	if (slice_eq(status, slice_of("ok")))
		return (ERR_OK);
	return (statement_refuse(status, ctl->why));
}

/* Put ${word} where a cell is absent. */
static void
fill_absent(const struct output_table *t, const char *word, struct slice *cells)
{
	size_t i;

	for (i = 0; i < t->nrows * t->ncols; i++)
		cells[i] = t->cells[i].ptr == NULL ? slice_of(word) : t->cells[i];
}

/* Print ${rows} without its first ${skip} columns. */
static enum err
print(const struct ctl *ctl, const struct db_rows *rows, size_t skip, bool record)
{
	struct output_table t;
	struct slice *cells;
	enum err e;

	if ((e = output_from_rows(rows, skip, ctl->arena, &t)) != ERR_OK)
		return (e);
	if (ctl->command->absent != NULL && !ctl->json) {
		if ((cells = arena_alloc(ctl->arena, (t.nrows * t.ncols + 1) * sizeof(*cells))) ==
		    NULL)
			return (ERR_NOMEM);
		fill_absent(&t, ctl->command->absent, cells);
		t.cells = cells;
	}
	if (!record)
		return (output_list(&t, ctl->json, ctl->arena, ctl->out));
	output_record(&t, ctl->json, ctl->out);
	return (ERR_OK);
}

enum err
statement_list(const struct ctl *ctl)
{
	struct db_param params[COMMAND_PARAMS_MAX];
	struct db_rows *rows = NULL;
	enum err e;

	if ((e = collect(ctl, params)) != ERR_OK)
		return (e);
	e = db_call(
	    ctl->db, ctl->command->query, params, ctl->command->nparams, deadline(ctl), &rows);
	e = e == ERR_OK ? print(ctl, rows, 0, false) : ctl_db_fault(ctl, ctl->db, e);
	db_rows_free(rows);
	return (e);
}

enum err
statement_change(const struct ctl *ctl)
{
	struct db_param params[COMMAND_PARAMS_MAX];
	struct db_rows *rows = NULL;
	enum err e;

	if ((e = collect(ctl, params)) != ERR_OK)
		return (e);
	e = statement_call(ctl, ctl->command->query, params, ctl->command->nparams, &rows);
	if (e == ERR_OK)
		e = print(ctl, rows, 1, true);
	db_rows_free(rows);
	return (e);
}
