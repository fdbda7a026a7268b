/*
 * `channel create`: a channel that is the tenant's own and no project's.  What the API would refuse
 * is refused here too, by the same code; the credentials come from a file alone, and leave this
 * process sealed.
 */
#include "ctl/channel_cmd.h"

#include <unistd.h>

#include "adapters/keyfile.h"
#include "adapters/store_channel.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/wipefree.h"
#include "ctl/file.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "ctl/statement.h"
#include "domain/channel.h"
#include "domain/issue.h"
#include "domain/keyring.h"
#include "domain/seal.h"
#include "sql_queries.h"

#define FILE_MAX 65536     /* bytes of credentials, as of a body of the API */
#define BODY_MAX (1 << 20) /* those, a name, and what is around them */

#define WHAT "the credentials as a JSON object, such as {\"webhookUrl\": \"https://...\"}"

/** A channel on its way. */
struct making {
	const struct ctl *ctl;
	const char *from; /* what the file is called in messages */
	struct buf text;  /* what is in it; secret */
	struct json *body;
	struct channel_new new;
	struct uuid id;
	struct store_sealed sealed;
};

/* The body
 * ------------------------------------------------------------------------------------------- */

/* Is the file JSON at all?  Asked before it becomes a part of the body, so that a fault's line and
 * column are the file's. */
static enum err
look_at_json(const struct making *m)
{
	struct json *alone = NULL;
	enum err e = file_json(buf_slice(&m->text), m->from, &alone, m->ctl->why);

	json_free(alone);
	return (e);
}

/* Append a member of the body. */
static void
put_member(struct buf *b, const char *name, struct slice text)
{
	buf_printf(b, "\"%s\":", name);
	json_put(b, text);
	buf_addc(b, ',');
}

/* Put options and file together to what the API would have been sent. */
static enum err
make_body(struct making *m)
{
	const struct options *o = m->ctl->options;
	struct json_fault fault;
	struct buf b;
	enum err e;

	if ((e = look_at_json(m)) != ERR_OK)
		return (e);
	buf_init(&b, BODY_MAX);
	buf_addc(&b, '{');
	put_member(&b, "type", options_value(o, OPTION_TYPE));
	put_member(&b, "name", options_value(o, OPTION_NAME));
	put_member(&b, "severityThreshold", options_value(o, OPTION_THRESHOLD));
	buf_printf(&b, "\"credentials\":");
	buf_add(&b, buf_slice(&m->text));
	buf_addc(&b, '}');
	e = buf_ok(&b) ? json_parse(buf_slice(&b), &m->body, &fault) : ERR_NOMEM;
	buf_clear(&b);
	if (e != ERR_INVALID)
		return (e);
	/* All that can be wrong with the whole, where its parts are right. */
	buf_printf(m->ctl->why, "%s: has too many open braces and brackets", m->from);
	return (ERR_DENIED);
}

/* What the fields of the body are called on the command line. */
static const struct field_option {
	const char *path;
	enum option option;
} field_options[] = {
    {"type", OPTION_TYPE},
    {"name", OPTION_NAME},
    {"severityThreshold", OPTION_THRESHOLD},
};

/* Append where ${issue} is, as the caller wrote it; true where that is an option. */
static bool
tell_place(const struct making *m, const struct issue *issue)
{
	const struct slice inside = slice_of("credentials.");
	struct slice path = slice_of(issue->path);
	struct buf *why = m->ctl->why;
	size_t i;

	for (i = 0; i < sizeof(field_options) / sizeof(field_options[0]); i++) {
		if (slice_eq(path, slice_of(field_options[i].path))) {
			buf_printf(why, "--%s ", option_rows[field_options[i].option].name);
			return (true);
		}
	}
	buf_printf(why, "%s: ", m->from);
	if (slice_starts(path, inside)) {
		output_plain(slice_skip(path, inside.len), why);
		buf_addc(why, ' ');
	}
	return (false);
}

/* Judge the body; each issue becomes a line. */
static enum err
judge(struct making *m)
{
	const struct issue *i;
	struct issues issues;
	enum err e = ERR_OK;

	issues_init(&issues, m->ctl->arena);
	channel_new_parse(m->body, &m->ctl->settings->policy, &issues, &m->new);
	if (issues.failed)
		return (ERR_NOMEM);
	for (i = issues.first; i != NULL; i = i->next) {
		if (i != issues.first)
			buf_printf(m->ctl->why, "\nsigsentryctl: ");
		if (tell_place(m, i))
			e = ERR_INVALID;
		else if (e == ERR_OK)
			e = ERR_DENIED;
		buf_add(m->ctl->why, slice_of(i->message));
	}
	return (e);
}

/* The row
 * -------------------------------------------------------------------------------------------- */

/* Load the public keyring and make the sealing end of its active key, for one use. */
static enum err
open_sender(const struct making *m, struct seal_sender **sender)
{
	const char *path = m->ctl->settings->keyring_public;
	struct keyring *ring = NULL;
	enum err e = ERR_NOMEM;

	if (access(path, F_OK) != 0) {
		buf_printf(m->ctl->why,
		    "there is no %s to seal the credentials to; `sigsentryctl check` says what "
		    "to do",
		    path);
		return (ERR_NOTFOUND);
	}
	if (crypt_init() == ERR_OK && (ring = keyring_new()) != NULL) {
		e = keyfile_load(path, ring);
		if (e == ERR_OK && (*sender = seal_sender_new(keyring_active(ring), 0)) == NULL)
			e = ERR_NOMEM;
	}
	keyring_free(ring);
	if (e == ERR_NOMEM)
		buf_printf(
		    m->ctl->why, "no locked memory for the keys; raise the limit (ulimit -l)");
	else if (e != ERR_OK)
		buf_printf(m->ctl->why, "%s cannot be used (%s); `sigsentryctl check` says more",
		    path, err_word(e));
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

/* Seal the credentials to a new id: they are bound to it, and a call that has to be repeated finds
 * its own row by it. */
static enum err
seal(struct making *m)
{
	const struct clock c = clock_system();
	struct seal_sender *sender = NULL;
	uint8_t random[10];
	enum err e;

	if ((e = open_sender(m, &sender)) != ERR_OK)
		return (e);
	crypt_random(random, sizeof(random));
	uuid_v7(clock_wall_ms(&c), random, &m->id);
	e = store_seal(
	    sender, clock_mono_ms(&c), &m->id, m->new.type, &m->new.credentials, &m->sealed);
	seal_sender_free(sender);
	if (e != ERR_OK)
		buf_printf(m->ctl->why, "the credentials could not be sealed to the key in %s (%s)",
		    m->ctl->settings->keyring_public, err_word(e));
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

/* Write it; where the answer was lost, ask again: it is written once, since the id is the same. */
static enum err
store(struct making *m, struct db_rows **rows)
{
	char id[UUID_TEXT_SIZE], threshold[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_text(slice_of(m->ctl->actor)),
	    db_param_text(options_value(m->ctl->options, OPTION_TENANT)),
	    db_param_uuid(&m->id, id),
	    db_param_text(slice_of(channel_type_words[m->new.type])),
	    db_param_text(m->new.name),
	    db_param_int((int64_t)m->new.threshold, threshold),
	    db_param_text(slice_of(m->new.credentials.destination)),
	    db_param_text(slice_of(buf_str(&m->sealed.names))),
	    db_param_text(slice_of(buf_str(&m->sealed.boxes))),
	};
	const size_t n = sizeof(params) / sizeof(params[0]);
	enum err e;

	e = statement_call(m->ctl, &Q_ADMIN_CHANNEL_CREATE, params, n, rows);
	if (e == ERR_OK || !db_is_in_doubt(m->ctl->db))
		return (e);
	db_rows_free(*rows);
	*rows = NULL;
	buf_reset(m->ctl->why);
	return (statement_call(m->ctl, &Q_ADMIN_CHANNEL_CREATE, params, n, rows));
}

enum err
channel_create_run(const struct ctl *ctl)
{
	struct making m = {.ctl = ctl};
	struct output_table t;
	struct db_rows *rows = NULL;
	enum err e;

	wipefree_enable(); /* json-c and stdio free without wiping */
	buf_init(&m.text, FILE_MAX);
	store_sealed_init(&m.sealed);
	if ((e = file_read(options_value(ctl->options, OPTION_CREDENTIALS), WHAT, &m.text, &m.from,
		 ctl->why)) == ERR_OK &&
	    (e = make_body(&m)) == ERR_OK && (e = judge(&m)) == ERR_OK &&
	    (e = seal(&m)) == ERR_OK && (e = store(&m, &rows)) == ERR_OK &&
	    (e = output_from_rows(rows, 1, ctl->arena, &t)) == ERR_OK)
		output_record(&t, ctl->json, ctl->out);
	channel_new_clear(&m.new);
	json_free(m.body);
	buf_clear(&m.text);
	store_sealed_clear(&m.sealed);
	db_rows_free(rows);
	return (e);
}
