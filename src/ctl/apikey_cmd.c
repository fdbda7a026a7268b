/* `apikey create`: the key is made here, its digest goes to the database, itself to the terminal
 * alone. */
#include "ctl/apikey_cmd.h"

#include "base/crypt.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/statement.h"
#include "domain/apikey.h"
#include "sql_queries.h"

/* The kind that --kind says; options.c let only known ones through. */
static enum apikey_kind
kind_of(struct slice word)
{
	int i;

	for (i = 0; i < APIKEY__MAX - 1; i++) {
		if (slice_eq(word, slice_of(apikey_kind_words[i])))
			break;
	}
	return ((enum apikey_kind)i);
}

/* Do the options fit the kind (contract §2)? */
static enum err
judge(const struct options *o, enum apikey_kind kind, struct buf *why)
{
	const struct options_given *given = &o->of[OPTION_PERMISSION];
	const bool org = kind == APIKEY_ORG;
	size_t i;
	int p;

	if (options_has(o, org ? OPTION_PROJECT : OPTION_TENANT) ||
	    !options_has(o, org ? OPTION_TENANT : OPTION_PROJECT)) {
		buf_printf(why,
		    org ? "an org key belongs to a tenant: give --tenant, and no --project"
			: "a %s key belongs to a project: give --project, and no --tenant",
		    apikey_kind_words[kind]);
		return (ERR_INVALID);
	}
	for (i = 0; i < given->nvalues; i++) {
		for (p = 0; p < PERMISSION__MAX; p++) {
			if (!slice_eq(given->values[i], slice_of(permission_words[p])) ||
			    apikey_may_carry(kind, (enum permission)p))
				continue;
			buf_printf(why, "a %s key may not carry %s", apikey_kind_words[kind],
			    permission_words[p]);
			return (ERR_INVALID);
		}
	}
	return (ERR_OK);
}

/* Print the row that the database gave, and the key behind its id. */
static enum err
print(const struct ctl *ctl, const struct db_rows *rows, const char *key)
{
	struct output_table t, with_key;
	struct output_col *cols;
	struct slice *cells;
	size_t i;
	enum err e;

	if ((e = output_from_rows(rows, 1, ctl->arena, &t)) != ERR_OK)
		return (e);
	cols = arena_alloc(ctl->arena, (t.ncols + 1) * sizeof(*cols));
	cells = arena_alloc(ctl->arena, (t.ncols + 1) * sizeof(*cells));
	if (cols == NULL || cells == NULL)
		return (ERR_NOMEM);
	for (i = 0; i <= t.ncols; i++) {
		cols[i] =
		    i == 1 ? (struct output_col){"key", DB_TYPE_TEXT} : t.cols[i > 1 ? i - 1 : i];
		cells[i] = i == 1 ? slice_of(key) : t.cells[i > 1 ? i - 1 : i];
	}
	with_key = (struct output_table){cols, t.ncols + 1, cells, 1};
	output_record(&with_key, ctl->json, ctl->out);
	if (!ctl->json)
		buf_printf(ctl->out,
		    "\nKeep the key now: only its digest is stored, and it is not shown again.\n");
	return (ERR_OK);
}

/* Store the key ${k}; ${permissions} is the text of an array. */
static enum err
store(const struct ctl *ctl, const struct apikey *k, const char *display, struct slice permissions,
    struct db_rows **rows)
{
	const struct options *o = ctl->options;
	const struct db_param params[] = {
	    db_param_text(slice_of(ctl->actor)),
	    db_param_text(options_value(o, OPTION_TENANT)),
	    db_param_text(options_value(o, OPTION_PROJECT)),
	    db_param_text(slice_of(apikey_kind_words[k->kind])),
	    db_param_text(permissions),
	    db_param_text(options_value(o, OPTION_NAME)),
	    db_param_bytes(k->digest, sizeof(k->digest)),
	    db_param_text(slice_of(display)),
	    db_param_text(options_value(o, OPTION_EXPIRES)),
	};

	return (statement_call(
	    ctl, &Q_ADMIN_APIKEY_CREATE, params, sizeof(params) / sizeof(params[0]), rows));
}

enum err
apikey_create_run(const struct ctl *ctl)
{
	const struct options_given *given = &ctl->options->of[OPTION_PERMISSION];
	enum apikey_kind kind = kind_of(options_value(ctl->options, OPTION_KIND));
	char text[APIKEY_TEXT_SIZE] = "", display[APIKEY_DISPLAY_SIZE];
	struct db_rows *rows = NULL;
	struct buf permissions;
	struct apikey k;
	enum err e;
	size_t i;

	if ((e = judge(ctl->options, kind, ctl->why)) != ERR_OK)
		return (e);
	buf_init(&permissions, 65536);
	for (i = 0; i < given->nvalues; i++)
		db_array_text(&permissions, given->values[i]);
	db_array_end(&permissions);
	if ((e = crypt_init()) != ERR_OK) {
		buf_printf(ctl->why, "no locked memory for the key; raise the limit (ulimit -l)");
		goto out;
	}
	apikey_generate(kind, text, display, &k);
	e = store(ctl, &k, display, slice_of(buf_str(&permissions)), &rows);
	if (e == ERR_OK)
		e = print(ctl, rows, text);
	else if (db_is_in_doubt(ctl->db))
		buf_printf(ctl->why, ", and revoke a key of this name: nobody has seen it");
out:
	mem_wipe(text, sizeof(text));
	buf_clear(&permissions);
	db_rows_free(rows);
	return (e);
}
