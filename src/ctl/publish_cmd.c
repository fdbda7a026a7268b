/*
 * `publish`: an event from a file.  Its rules stand in the database (sql/fn/event_issues.sql); here
 * only the JSON itself is judged.
 */
#include "ctl/publish_cmd.h"

#include "base/json.h"
#include "ctl/file.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/statement.h"
#include "sql_queries.h"

#define FILE_MAX 262144 /* bytes of an event, as of a body of the API */
#define WHAT     "the event as a JSON object, as POST /v1/events takes it"

/* The columns of sql/q/admin_publish.sql that are not for printing. */
enum { C_STATUS = 0, C_ISSUES = 3 };

/* Tell each of ${issues}, a JSON array, in a line. */
static enum err
tell_issues(const char *from, struct slice issues, struct buf *why)
{
	struct json *list = NULL, *one;
	struct json_fault fault;
	struct slice path;
	size_t i;

	if (json_parse(issues, &list, &fault) != ERR_OK)
		return (ERR_INTERNAL);
	for (i = 0; (one = json_at(list, i)) != NULL; i++) {
		buf_printf(why, "%s%s: ", i == 0 ? "" : "\nsigsentryctl: ", from);
		path = json_string(json_get(one, "path"));
		output_plain(path, why);
		if (path.len > 0)
			buf_addc(why, ' ');
		output_plain(json_string(json_get(one, "message")), why);
	}
	json_free(list);
	return (ERR_DENIED);
}

/* Publish ${text}. */
static enum err
publish(const struct ctl *ctl, const char *from, struct slice text)
{
	const struct db_param params[] = {
	    db_param_text(options_value(ctl->options, OPTION_PROJECT)),
	    db_param_text(text),
	};
	struct db_rows *rows = NULL;
	struct output_table t;
	enum err e;

	e = db_call(ctl->db, &Q_ADMIN_PUBLISH, params, 2, ctl_deadline(CTL_DEADLINE_MS), &rows);
	if (e == ERR_INVALID) {
		buf_printf(ctl->why,
		    "%s: holds a number that is too large to be stored (over 131072 digits): send "
		    "it as a string",
		    from);
		return (ERR_DENIED);
	}
	if (e != ERR_OK)
		return (statement_fault(ctl, e));
	if (slice_eq(db_text(rows, 0, C_STATUS), slice_of("invalid"))) {
		e = tell_issues(from, db_text(rows, 0, C_ISSUES), ctl->why);
	} else if (!slice_eq(db_text(rows, 0, C_STATUS), slice_of("ok"))) {
		e = statement_refuse(db_text(rows, 0, C_STATUS), ctl->why);
	} else if ((e = output_from_rows(rows, 1, ctl->arena, &t)) == ERR_OK) {
		t.ncols--; /* the issues, of which there are none */
		output_record(&t, ctl->json, ctl->out);
	}
	db_rows_free(rows);
	return (e);
}

enum err
publish_run(const struct ctl *ctl)
{
	struct json *event = NULL;
	struct buf text;
	const char *from;
	enum err e;

	buf_init(&text, FILE_MAX);
	e = file_read(options_value(ctl->options, OPTION_FILE), WHAT, &text, &from, ctl->why);
	if (e == ERR_OK)
		e = file_json(buf_slice(&text), from, &event, ctl->why);
	json_free(event);
	if (e == ERR_OK)
		e = publish(ctl, from, slice_of(buf_str(&text)));
	buf_clear(&text);
	return (e);
}
