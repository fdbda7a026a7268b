/*
 * The options of sigsentryctl, one table for all commands: an option means the same wherever it
 * stands, so the command line can be read before it is known which command it is.  Values are
 * judged here: what is malformed never reaches the database.
 */
#include "ctl/options.h"

#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "base/when.h"
#include "domain/apikey.h"
#include "domain/channel.h"
#include "domain/keyring.h"
#include "domain/severity.h"

#define NUMBER_MAX 2147483647 /* integer of the database */
#define BEGUN_MIN  3          /* letters that are enough to guess an option from */

static enum err
convert_uuid(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	char canonical[UUID_TEXT_SIZE];
	struct uuid u;
	char *copy;

	*why = "must be an id such as 01931f6e-8a40-7c1e-9b1d-3f0c5a7e2d11; the list commands show "
	       "them";
	if (uuid_parse(text, &u) != ERR_OK)
		return (ERR_INVALID);
	uuid_text(&u, canonical);
	if ((copy = arena_dup(a, slice_of(canonical))) == NULL)
		return (ERR_NOMEM);
	*out = slice_of(copy);
	return (ERR_OK);
}

/* A name as contract §3 has them: 1 to 255 code points without controls. */
static enum err
convert_name(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	struct slice rest = text;
	uint32_t cp = 0;
	size_t n = 0, len;

	(void)a;
	*why = "must be 1 to 255 characters of UTF-8 without control characters";
	for (; rest.len > 0; rest = slice_skip(rest, len), n++) {
		if ((len = text_utf8_next(rest, &cp)) == 0 || cp < 0x20 ||
		    (cp >= 0x7f && cp <= 0x9f))
			return (ERR_INVALID);
	}
	*out = text;
	return (n >= 1 && n <= 255 ? ERR_OK : ERR_INVALID);
}

/* As the schema's project_slug_check. */
static enum err
convert_slug(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	size_t i;

	(void)a;
	*why = "must be 1 to 63 of a-z, 0-9 and '-', and not begin or end with '-'";
	if (text.len < 1 || text.len > 63 || text.ptr[0] == '-' || text.ptr[text.len - 1] == '-')
		return (ERR_INVALID);
	for (i = 0; i < text.len; i++) {
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-", text.ptr[i]) == NULL)
			return (ERR_INVALID);
	}
	*out = text;
	return (ERR_OK);
}

/* Is ${text} one of the ${n} ${words}? */
static bool
is_word(struct slice text, const char *const words[], size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (slice_eq(text, slice_of(words[i])))
			return (true);
	}
	return (false);
}

static enum err
convert_kind(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	(void)a;
	*why = "must be pub, secret or org";
	*out = text;
	return (is_word(text, apikey_kind_words, APIKEY__MAX) ? ERR_OK : ERR_INVALID);
}

static enum err
convert_permission(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	(void)a;
	*why = "must be analysis:create, analysis:read, config:read or config:write; repeat the "
	       "option for several";
	*out = text;
	return (is_word(text, permission_words, PERMISSION__MAX) ? ERR_OK : ERR_INVALID);
}

/* A number from ${min}; in ${out} the same without leading zeroes. */
static enum err
number(struct arena *a, struct slice text, uint64_t min, struct slice *out)
{
	uint64_t n;
	char *copy;

	if (text_u64(text, NUMBER_MAX, &n) != ERR_OK || n < min)
		return (ERR_INVALID);
	if ((copy = arena_printf(a, "%llu", (unsigned long long)n)) == NULL)
		return (ERR_NOMEM);
	*out = slice_of(copy);
	return (ERR_OK);
}

static enum err
convert_count(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	*why = "must be a whole number from 1 to 2147483647";
	return (number(a, text, 1, out));
}

static enum err
convert_quota(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	*why = "must be a whole number from 0 to 2147483647, or unlimited";
	*out = slice_make(NULL, 0);
	return (slice_eq(text, slice_of("unlimited")) ? ERR_OK : number(a, text, 0, out));
}

static enum err
convert_rate(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	*why = "must be a whole number from 1 to 2147483647, or unlimited";
	*out = slice_make(NULL, 0);
	return (slice_eq(text, slice_of("unlimited")) ? ERR_OK : number(a, text, 1, out));
}

/* Read a moment and write it as the database takes it; ${sign}: where "90d" points to from now. */
static enum err
moment(struct arena *a, struct slice text, int sign, int64_t *at_ms, struct slice *out)
{
	const struct clock c = clock_system();
	char rfc3339[CLOCK_RFC3339_SIZE];
	char *copy;

	if (when_parse(text, clock_wall_ms(&c), sign, at_ms) != ERR_OK)
		return (ERR_INVALID);
	clock_rfc3339(*at_ms, rfc3339);
	if ((copy = arena_dup(a, slice_of(rfc3339))) == NULL)
		return (ERR_NOMEM);
	*out = slice_of(copy);
	return (ERR_OK);
}

static enum err
convert_expires(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	const struct clock c = clock_system();
	int64_t at_ms;
	enum err e;

	*why =
	    "must be a time to come such as 2030-01-31T12:00:00Z, or a number of days such as 90d";
	if ((e = moment(a, text, 1, &at_ms, out)) != ERR_OK)
		return (e);
	return (at_ms > clock_wall_ms(&c) ? ERR_OK : ERR_INVALID);
}

static enum err
convert_since(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	int64_t at_ms;

	*why = "must be a time such as 2030-01-31T12:00:00Z, or a number of days back such as 7d";
	return (moment(a, text, -1, &at_ms, out));
}

static enum err
convert_until(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	return (convert_since(a, text, out, why));
}

/* What is still to come has not been published. */
static enum err
convert_before(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	const struct clock c = clock_system();
	int64_t at_ms;
	enum err e;

	*why = "must be a time that is over such as 2026-01-31T12:00:00Z, or a number of days back "
	       "such as 1d";
	if ((e = moment(a, text, -1, &at_ms, out)) != ERR_OK)
		return (e);
	return (at_ms <= clock_wall_ms(&c) ? ERR_OK : ERR_INVALID);
}

static const char *const statuses[] = {"pending", "sending", "delivered", "failed", "cancelled"};

#define NSTATUSES (sizeof(statuses) / sizeof(statuses[0]))

static enum err
convert_status(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	(void)a;
	*why = "must be pending, sending, delivered, failed or cancelled; repeat the option for "
	       "several";
	*out = text;
	return (is_word(text, statuses, NSTATUSES) ? ERR_OK : ERR_INVALID);
}

static enum err
convert_key(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	uint8_t id[KEYRING_ID_LEN];
	char canonical[KEYRING_ID_TEXT];
	char *copy;

	*why = "must be 16 hex digits such as f35e5616160a30bf; `sigsentryctl keyring list` shows "
	       "them";
	if (text_unhex(text, id, sizeof(id)) != ERR_OK)
		return (ERR_INVALID);
	text_hex(id, sizeof(id), canonical);
	if ((copy = arena_dup(a, slice_of(canonical))) == NULL)
		return (ERR_NOMEM);
	*out = slice_of(copy);
	return (ERR_OK);
}

/* Credentials on a command line would stand in everybody's list of processes. */
static enum err
convert_file(struct arena *a, struct slice text, struct slice *out, const char **why)
{
	(void)a;
	*why = "takes the name of a file, or - for standard input, never the credentials "
	       "themselves: every user of this machine could read them in the list of processes";
	*out = text;
	return (text.len == 0 || text.ptr[0] == '{' || strstr(text.ptr, "://") != NULL ? ERR_INVALID
										       : ERR_OK);
}

static const char *const unlimited[] = {"unlimited"};

/* clang-format off */
const struct option_row option_rows[OPTION__MAX] = {
	[OPTION_CONFIG]     = {"config",    'c', false, "FILE",      "the config file, instead of /etc/sigsentry/sigsentry.conf", NULL, NULL, 0},
	[OPTION_OVERRIDE]   = {"option",    'o', true,  "KEY=VALUE", "a key of sigsentry.conf(5) that wins over the file; may be repeated", NULL, NULL, 0},
	[OPTION_JSON]       = {"json",      0,   false, NULL,        "print one JSON document instead of a table", NULL, NULL, 0},
	[OPTION_HELP]       = {"help",      'h', false, NULL,        "explain sigsentryctl, or the command that it stands beside", NULL, NULL, 0},
	[OPTION_VERSION]    = {"version",   'V', false, NULL,        "print the version", NULL, NULL, 0},
	[OPTION_TENANT]     = {"tenant",    0,   false, "TENANT",    "id of the tenant", convert_uuid, NULL, 0},
	[OPTION_PROJECT]    = {"project",   0,   false, "PROJECT",   "id of the project", convert_uuid, NULL, 0},
	[OPTION_ID]         = {"id",        0,   false, "ID",        "id of the key, not the key itself", convert_uuid, NULL, 0},
	[OPTION_NAME]       = {"name",      0,   false, "NAME",      "a name for people, 1 to 255 characters", convert_name, NULL, 0},
	[OPTION_SLUG]       = {"slug",      0,   false, "SLUG",      "short name in payloads: 1 to 63 of a-z, 0-9 and inner '-'; cannot be changed", convert_slug, NULL, 0},
	[OPTION_PLAN]       = {"plan",      0,   false, "PLAN",      "name of a plan; `sigsentryctl plan list` shows them", convert_name, NULL, 0},
	[OPTION_KIND]       = {"kind",      0,   false, "KIND",      "pub, secret (both need --project) or org (needs --tenant)", convert_kind, apikey_kind_words, APIKEY__MAX},
	[OPTION_PERMISSION] = {"permission", 0,  true,  "WORD",      "analysis:create, analysis:read, config:read or config:write; repeat it for several", convert_permission, permission_words, PERMISSION__MAX},
	[OPTION_EXPIRES]    = {"expires",   0,   false, "WHEN",      "when the key ends: 2030-01-31T12:00:00Z, or 90d; never without it", convert_expires, NULL, 0},
	[OPTION_TYPE]       = {"type",      0,   false, "WORD",      "slack, teams, discord, google_chat, webhook or email", NULL, channel_type_words, CHANNEL__MAX},
	[OPTION_THRESHOLD]  = {"severity-threshold", 0, false, "WORD", "the lowest severity it is told: critical, high, medium or low", NULL, severity_words, SEVERITY_THRESHOLDS},
	[OPTION_CREDENTIALS] = {"credentials", 0, false, "FILE",     "file with the credentials, a JSON object as in the API; - is standard input", convert_file, NULL, 0},
	[OPTION_CHANNELS]   = {"channels",  0,   false, "N",         "channels a project may have, or unlimited", convert_quota, unlimited, 1},
	[OPTION_READS]      = {"reads-per-minute", 0, false, "N",    "reading requests a key may send in a minute, or unlimited", convert_rate, unlimited, 1},
	[OPTION_WRITES]     = {"writes-per-minute", 0, false, "N",   "writing requests a key may send in a minute, or unlimited", convert_rate, unlimited, 1},
	[OPTION_LIMIT]      = {"limit",     0,   false, "N",         "how many rows at the most, the newest; 100 without it", convert_count, NULL, 0},
	[OPTION_SINCE]      = {"since",     0,   false, "WHEN",      "nothing older: 2030-01-31T12:00:00Z, or 7d for seven days back", convert_since, NULL, 0},
	[OPTION_STATUS]     = {"status",    0,   false, NULL,        "change nothing; list the schema files and what became of each", NULL, NULL, 0},
	[OPTION_DELIVERY_STATUS] = {"status", 0, true,  "WORD",      "pending, sending, delivered, failed or cancelled; repeat it for several", convert_status, statuses, NSTATUSES},
	[OPTION_CHANNEL]    = {"channel",   0,   false, "CHANNEL",   "id of the channel", convert_uuid, NULL, 0},
	[OPTION_DELIVERY]   = {"delivery",  0,   true,  "DELIVERY",  "id of a delivery", convert_uuid, NULL, 0},
	[OPTION_UNTIL]      = {"until",     0,   false, "WHEN",      "nothing newer, as --since; now without it", convert_until, NULL, 0},
	[OPTION_BEFORE]     = {"before",    0,   false, "WHEN",      "what was published before: 2026-01-31T12:00:00Z, or 1d for a day back", convert_before, NULL, 0},
	[OPTION_REASON]     = {"reason",    0,   false, "TEXT",      "why, for those who look at `status`", NULL, NULL, 0},
	[OPTION_FILE]       = {"file",      0,   false, "FILE",      "file with the event, a JSON object as in the API; - is standard input", NULL, NULL, 0},
	[OPTION_RING]       = {"keyring",   0,   false, "FILE",      "file with a keyring; - is standard input or output", NULL, NULL, 0},
	[OPTION_KEY]        = {"key",       0,   false, "KEY",       "id of a key of the keyring, 16 hex digits; `sigsentryctl keyring list` shows them", convert_key, NULL, 0},
	[OPTION_PUBLIC]     = {"public",    0,   false, NULL,        "the public keys, which are all that a web host needs", NULL, NULL, 0},
	[OPTION_NAGIOS]     = {"nagios",    0,   false, NULL,        "one line with performance data; exit status 0 OK, 1 WARNING, 2 CRITICAL", NULL, NULL, 0},
	[OPTION_AUTOMATIC]  = {"automatic", 0,   false, NULL,        "as packages call it: only where auto_migrate is yes, and without a long wait", NULL, NULL, 0},
	[OPTION_ADMIN_USER] = {"admin-user", 0,  false, "ROLE",      "database role that may create roles and databases; postgres without it", convert_name, NULL, 0},
	[OPTION_DRY_RUN]    = {"dry-run",   0,   false, NULL,        "change nothing; say what would be done", NULL, NULL, 0},
	[OPTION_START]      = {"start",     0,   false, NULL,        "then start what is installed here, by systemd", NULL, NULL, 0},
	[OPTION_YES]        = {"yes",       0,   false, NULL,        "yes, delete it: there is no way back", NULL, NULL, 0},
};
/* clang-format on */

/* What stands before '=' and what after it; absent where there is none. */
static struct slice
split_value(struct slice *name)
{
	struct slice rest = *name;

	(void)slice_split(&rest, '=', name);
	return (rest);
}

enum option
options_twin(enum option option)
{
	int i;

	for (i = 0; i < OPTION__MAX; i++) {
		if (i != (int)option &&
		    slice_eq(slice_of(option_rows[i].name), slice_of(option_rows[option].name)))
			return ((enum option)i);
	}
	return (OPTION__MAX);
}

enum err
options_find(struct slice arg, enum option *option, struct slice *value, struct buf *why)
{
	const char *names[OPTION__MAX], *near;
	struct slice name = slice_skip(arg, 2);
	bool is_long = slice_starts(arg, slice_of("--"));
	int i;

	*value = slice_make(NULL, 0);
	if (is_long)
		*value = split_value(&name);
	else if (arg.len > 2)
		*value = slice_skip(arg, 2);
	for (i = 0; i < OPTION__MAX; i++) {
		names[i] = option_rows[i].name;
		*option = (enum option)i;
		if (is_long ? slice_eq(name, slice_of(names[i]))
			    : arg.ptr[1] == option_rows[i].letter) {
			/* a value that is attached can only be meant for the twin that takes one */
			if (value->ptr != NULL && option_rows[i].value == NULL &&
			    options_twin(*option) != OPTION__MAX)
				*option = options_twin(*option);
			return (ERR_OK);
		}
	}
	if (!is_long)
		name = slice_make(arg.ptr + 1, 1);
	near = is_long ? text_nearest(name, names, OPTION__MAX) : NULL;
	for (i = 0; is_long && near == NULL && name.len >= BEGUN_MIN && i < OPTION__MAX; i++)
		near = slice_starts(slice_of(names[i]), name) ? names[i] : NULL;
	buf_printf(why, "there is no option %s%.*s", is_long ? "--" : "-", (int)name.len, name.ptr);
	if (near != NULL)
		buf_printf(why, "; did you mean --%s?", near);
	else
		buf_printf(why, "; sigsentryctl --help shows them");
	return (ERR_INVALID);
}

enum err
options_set(
    struct options *o, struct arena *a, enum option option, struct slice text, struct buf *why)
{
	const struct option_row *row = &option_rows[option];
	struct options_given *given = &o->of[option];
	struct slice value = text;
	const char *reason = "";
	enum err e;

	if (given->nvalues > 0 && !row->repeats && row->value != NULL) {
		buf_printf(why, "--%s stands there twice", row->name);
		return (ERR_INVALID);
	}
	if (row->convert != NULL && (e = row->convert(a, text, &value, &reason)) != ERR_OK) {
		buf_printf(why, "--%s %s", row->name, reason);
		return (e);
	}
	given->values[given->nvalues++] = value;
	return (ERR_OK);
}

/* Is ${next} the value of the twin of ${option}, which itself takes none? */
static bool
is_for_twin(enum option option, const char *next)
{
	const enum option twin = options_twin(option);
	const struct option_row *row;

	if (twin == OPTION__MAX || next == NULL || option_rows[option].value != NULL)
		return (false);
	row = &option_rows[twin];
	return (text_nearest(slice_of(next), row->words, row->nwords) != NULL);
}

/* Take the option ${arg}, and the argument behind it where it needs one. */
static enum err
take(struct options *o, struct arena *a, struct slice arg, const char *next, bool *used_next,
    struct buf *why)
{
	struct slice value;
	enum option option;
	enum err e;

	*used_next = false;
	if ((e = options_find(arg, &option, &value, why)) != ERR_OK)
		return (e);
	if (value.ptr == NULL && is_for_twin(option, next))
		option = options_twin(option);
	if (option_rows[option].value == NULL && value.ptr != NULL) {
		buf_printf(why, "--%s takes no value", option_rows[option].name);
		return (ERR_INVALID);
	}
	if (option_rows[option].value != NULL && value.ptr == NULL) {
		if (next == NULL) {
			buf_printf(why, "--%s needs a value behind it: %s",
			    option_rows[option].name, option_rows[option].value);
			return (ERR_INVALID);
		}
		value = slice_of(next);
		*used_next = true;
	}
	return (options_set(o, a, option, value, why));
}

/* Room for as many values as there can be; one more, since a word may stand for an option. */
static enum err
make_room(struct options *o, struct arena *a, size_t n)
{
	size_t i;

	memset(o, 0, sizeof(*o));
	for (i = 0; i < OPTION__MAX; i++) {
		if ((o->of[i].values = arena_alloc(a, (n + 1) * sizeof(*o->words))) == NULL)
			return (ERR_NOMEM);
	}
	o->words = arena_alloc(a, (n + 1) * sizeof(*o->words));
	return (o->words == NULL ? ERR_NOMEM : ERR_OK);
}

enum err
options_parse(struct options *o, struct arena *a, int argc, char *const argv[], struct buf *why)
{
	struct slice arg;
	bool ended = false, used_next;
	enum err e;
	int i;

	if ((e = make_room(o, a, (size_t)argc)) != ERR_OK)
		return (e);
	for (i = 1; i < argc; i++) {
		arg = slice_of(argv[i]);
		if (!ended && slice_eq(arg, slice_of("--"))) {
			ended = true;
			continue;
		}
		if (ended || arg.len < 2 || arg.ptr[0] != '-') {
			o->words[o->nwords++] = arg;
			continue;
		}
		if ((e = take(o, a, arg, i + 1 < argc ? argv[i + 1] : NULL, &used_next, why)) !=
		    ERR_OK)
			return (e);
		i += used_next ? 1 : 0;
	}
	return (ERR_OK);
}

bool
options_has(const struct options *o, enum option option)
{
	return (o->of[option].nvalues > 0);
}

struct slice
options_value(const struct options *o, enum option option)
{
	const struct options_given *given = &o->of[option];

	return (given->nvalues == 0 ? slice_make(NULL, 0) : given->values[given->nvalues - 1]);
}
