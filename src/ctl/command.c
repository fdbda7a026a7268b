/*
 * The commands of sigsentryctl, one row each, and what can be told from the rows alone: which
 * command is meant, whether its options fit, and the help.
 */
#include "ctl/command.h"

#include <stdio.h>
#include <string.h>

#include "ctl/apikey_cmd.h"
#include "ctl/channel_cmd.h"
#include "ctl/check.h"
#include "ctl/delivery_cmd.h"
#include "ctl/keyring_check.h"
#include "ctl/keyring_cmd.h"
#include "ctl/keyring_move.h"
#include "ctl/keyring_reseal.h"
#include "ctl/keyring_retire.h"
#include "ctl/keyring_rotate.h"
#include "ctl/migrate.h"
#include "ctl/publish_cmd.h"
#include "ctl/queue_cmd.h"
#include "ctl/setup.h"
#include "ctl/statement.h"
#include "ctl/status_cmd.h"
#include "sql_queries.h"

#define TENANT_EXAMPLE  "01931f6e-8a40-7c1e-9b1d-3f0c5a7e2d11"
#define PROJECT_EXAMPLE "01931f6e-9c02-7d5a-8e44-6b2f1a9c3e07"
#define CHANNEL_EXAMPLE "01931f70-2c5e-7b91-8d3f-a1c64e09b752"
#define KEY_EXAMPLE     "01931f6f-0b7d-7a13-b0c2-95d4e8f1a260"

/* clang-format off */
static const struct command commands[] = {
	{"setup", "make roles, database, schema and keyring; safe to run again",
	    "Connects to the server of `database` as a role that may create roles and databases,\n"
	    "makes what is missing (roles sigsentry_owner, sigsentry_api, sigsentry_courier and\n"
	    "sigsentry_producer, without passwords; the database), brings the schema up to this version and makes a\n"
	    "keyring where there is none. Prints a line for each thing that it did or found.\n"
	    "As root it takes on the local user of the same name as ROLE while it connects to a\n"
	    "local server, so that peer authentication lets it in, and then sigsentry_owner's.\n"
	    "Where systemd runs, it starts the programs that are installed, or says how to.\n",
	    "setup --start",
	    {{OPTION_ADMIN_USER, NEED_NOT}, {OPTION_DRY_RUN, NEED_NOT}, {OPTION_START, NEED_NOT}},
	    .run = setup_run},
	{"migrate", "bring the schema up to this version, or show what it has",
	    "Applies the schema files that the database lacks, each in a transaction of its own,\n"
	    "then lays the functions and grants anew. Does nothing that is done already; two at\n"
	    "a time wait for each other. Refuses a schema that is newer than this program, and\n"
	    "one whose applied files differ from its own. Where somebody holds a table it gives\n"
	    "way, so that no request waits for it, and tries again for two minutes.\n"
	    "With --automatic, as packages call it: does nothing where auto_migrate is no, and waits\n"
	    "at most 10 s for a database that does not answer, and 30 s for one that then hangs.\n",
	    "migrate --status",
	    {{OPTION_STATUS, NEED_NOT}, {OPTION_AUTOMATIC, NEED_NOT}},
	    .run = migrate_run},
	{"check", "the doctor: what is ill, and its cure",
	    "Looks at config, keyring, database, schema, roles, socket and courier. Exits with 1\n"
	    "if one of them is ill.\n",
	    "check --json", {{0, NEED_END}},
	    .run = check_run, .bears_no_settings = true},

	{"tenant create", "make a tenant (an organization)", "", "tenant create --name 'Example Ltd' --plan starter",
	    {{OPTION_NAME, NEED_OPTION}, {OPTION_PLAN, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_TENANT_CREATE, .nparams = 3,
	    .params = {COMMAND_ACTOR, OPTION_NAME, OPTION_PLAN}},
	{"tenant list", "all tenants, oldest first", "", "tenant list --json", {{0, NEED_END}},
	    .run = statement_list, .query = &Q_ADMIN_TENANT_LIST},
	{"tenant set-plan", "move a tenant to another plan",
	    "Channels over a smaller limit keep working; new ones are refused.\n",
	    "tenant set-plan " TENANT_EXAMPLE " --plan pro",
	    {{OPTION_TENANT, NEED_WORD}, {OPTION_PLAN, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_TENANT_SET_PLAN, .nparams = 3,
	    .params = {COMMAND_ACTOR, OPTION_TENANT, OPTION_PLAN}},
	{"tenant rename", "give a tenant another name", "", "tenant rename " TENANT_EXAMPLE " --name 'Example plc'",
	    {{OPTION_TENANT, NEED_WORD}, {OPTION_NAME, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_TENANT_RENAME, .nparams = 3,
	    .params = {COMMAND_ACTOR, OPTION_TENANT, OPTION_NAME}},
	{"tenant suspend", "make its keys answer 403 and its queue rest", "", "tenant suspend " TENANT_EXAMPLE,
	    {{OPTION_TENANT, NEED_WORD}},
	    .run = statement_change, .query = &Q_ADMIN_TENANT_SUSPEND, .nparams = 2,
	    .params = {COMMAND_ACTOR, OPTION_TENANT}},
	{"tenant resume", "end a suspension", "", "tenant resume " TENANT_EXAMPLE,
	    {{OPTION_TENANT, NEED_WORD}},
	    .run = statement_change, .query = &Q_ADMIN_TENANT_RESUME, .nparams = 2,
	    .params = {COMMAND_ACTOR, OPTION_TENANT}},
	{"tenant delete", "delete a tenant with all that it has, for good",
	    "Projects, keys, channels, deliveries and audit rows go with it.\n",
	    "tenant delete " TENANT_EXAMPLE " --yes",
	    {{OPTION_TENANT, NEED_WORD}, {OPTION_YES, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_TENANT_DELETE, .nparams = 2,
	    .params = {COMMAND_ACTOR, OPTION_TENANT}, .wait_ms = CTL_LONG_WAIT_MS},

	{"project create", "make a project of a tenant", "",
	    "project create --tenant " TENANT_EXAMPLE " --name 'Web shop' --slug web-shop",
	    {{OPTION_TENANT, NEED_OPTION}, {OPTION_NAME, NEED_OPTION}, {OPTION_SLUG, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_PROJECT_CREATE, .nparams = 4,
	    .params = {COMMAND_ACTOR, OPTION_TENANT, OPTION_NAME, OPTION_SLUG}},
	{"project list", "projects, of one tenant or of all, oldest first", "", "project list --tenant " TENANT_EXAMPLE,
	    {{OPTION_TENANT, NEED_NOT}},
	    .run = statement_list, .query = &Q_ADMIN_PROJECT_LIST, .nparams = 1, .params = {OPTION_TENANT}},
	{"project rename", "give a project another name; its slug stays", "",
	    "project rename " PROJECT_EXAMPLE " --name 'Shop'",
	    {{OPTION_PROJECT, NEED_WORD}, {OPTION_NAME, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_PROJECT_RENAME, .nparams = 4,
	    .params = {COMMAND_ACTOR, COMMAND_NULL, OPTION_PROJECT, OPTION_NAME}},
	{"project delete", "delete a project with its keys and channels, for good", "",
	    "project delete " PROJECT_EXAMPLE " --yes",
	    {{OPTION_PROJECT, NEED_WORD}, {OPTION_YES, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_PROJECT_DELETE, .nparams = 3,
	    .params = {COMMAND_ACTOR, COMMAND_NULL, OPTION_PROJECT}, .wait_ms = CTL_LONG_WAIT_MS},

	{"apikey create", "make an API key and print it, this once",
	    "A pub or secret key is bound to a project for ever, an org key to a tenant. A pub key\n"
	    "may carry analysis:create and analysis:read alone. The key is stored as a digest: it\n"
	    "cannot be shown again.\n",
	    "apikey create --project " PROJECT_EXAMPLE " --kind secret\n"
	    "      --permission config:read --permission config:write --expires 90d --name deploy",
	    {{OPTION_PROJECT, NEED_NOT}, {OPTION_TENANT, NEED_NOT}, {OPTION_KIND, NEED_OPTION},
	     {OPTION_PERMISSION, NEED_OPTION}, {OPTION_EXPIRES, NEED_NOT}, {OPTION_NAME, NEED_OPTION}},
	    .run = apikey_create_run},
	{"apikey list", "API keys, revoked and expired ones too, oldest first", "",
	    "apikey list --project " PROJECT_EXAMPLE,
	    {{OPTION_PROJECT, NEED_NOT}, {OPTION_TENANT, NEED_NOT}},
	    .run = statement_list, .query = &Q_ADMIN_APIKEY_LIST, .nparams = 2,
	    .params = {OPTION_TENANT, OPTION_PROJECT}},
	{"apikey revoke", "refuse a key from its next request on, for good", "", "apikey revoke " KEY_EXAMPLE,
	    {{OPTION_ID, NEED_WORD}},
	    .run = statement_change, .query = &Q_ADMIN_APIKEY_REVOKE, .nparams = 2,
	    .params = {COMMAND_ACTOR, OPTION_ID}},

	{"plan list", "all plans and their limits", "", "plan list", {{0, NEED_END}},
	    .run = statement_list, .query = &Q_ADMIN_PLAN_LIST, .absent = "unlimited"},
	{"plan set", "make a plan or change its limits; requests a minute from the next minute on", "",
	    "plan set pro --channels 20 --reads-per-minute 600 --writes-per-minute 300",
	    {{OPTION_NAME, NEED_WORD}, {OPTION_CHANNELS, NEED_OPTION}, {OPTION_READS, NEED_OPTION},
	     {OPTION_WRITES, NEED_OPTION}},
	    .run = statement_change, .query = &Q_ADMIN_PLAN_SET, .nparams = 5,
	    .params = {COMMAND_ACTOR, OPTION_NAME, OPTION_CHANNELS, OPTION_READS, OPTION_WRITES},
	    .absent = "unlimited"},

	{"channel list", "a tenant's channels, active first, newest first",
	    "With --project: that project's own and the tenant-wide ones. Credentials are not shown;\n"
	    "nobody can read them but the courier.\n",
	    "channel list --tenant " TENANT_EXAMPLE,
	    {{OPTION_TENANT, NEED_OPTION}, {OPTION_PROJECT, NEED_NOT}},
	    .run = statement_list, .query = &Q_ADMIN_CHANNEL_LIST, .nparams = 2,
	    .params = {OPTION_TENANT, OPTION_PROJECT}},
	{"channel create", "make a tenant-wide channel: it is told of every project's events",
	    "The file holds what the API calls `credentials`, such as {\"webhookUrl\": \"https://...\"}\n"
	    "for slack, teams, discord and google_chat, {\"url\": ..., \"hmacSecret\": ...} for webhook,\n"
	    "{\"recipients\": [...]} for email. They are sealed to the key in keyring_public before they\n"
	    "are stored: nobody can read them again but the courier. Counts towards no plan's limit.\n"
	    "A project's own channels are made, and this one is changed, through the API.\n",
	    "channel create --tenant " TENANT_EXAMPLE " --type slack\n"
	    "      --name '#on-call' --severity-threshold high --credentials slack.json",
	    {{OPTION_TENANT, NEED_OPTION}, {OPTION_TYPE, NEED_OPTION}, {OPTION_NAME, NEED_OPTION},
	     {OPTION_THRESHOLD, NEED_OPTION}, {OPTION_CREDENTIALS, NEED_OPTION}},
	    .run = channel_create_run},

	{"publish", "publish an event to a project's channels",
	    "The file holds what POST /v1/events takes, a JSON object with event, severity and summary\n"
	    "at the least. Its rules are those of the API and of sigsentry.publish; each thing that is\n"
	    "wrong gets a line. Prints the event's id and to how many channels it goes.\n",
	    "publish --project " PROJECT_EXAMPLE " event.json",
	    {{OPTION_FILE, NEED_WORD}, {OPTION_PROJECT, NEED_OPTION}},
	    .run = publish_run},
	{"delivery list", "deliveries, newest first",
	    "Those that wait, that are under way and that have ended. Without --tenant and --channel\n"
	    "all tenants' are looked through: give --since where there are many.\n",
	    "delivery list --status failed --since 1d",
	    {{OPTION_TENANT, NEED_NOT}, {OPTION_CHANNEL, NEED_NOT}, {OPTION_DELIVERY_STATUS, NEED_NOT},
	     {OPTION_SINCE, NEED_NOT}, {OPTION_LIMIT, NEED_NOT}},
	    .run = statement_list, .query = &Q_ADMIN_DELIVERY_LIST, .nparams = 5,
	    .params = {OPTION_TENANT, OPTION_CHANNEL, OPTION_DELIVERY_STATUS, OPTION_SINCE, OPTION_LIMIT},
	    .wait_ms = CTL_LONG_WAIT_MS},
	{"delivery retry", "send deliveries that have ended again",
	    "Either those whose ids are given, or a channel's that were created since a time: the\n"
	    "failed ones, or those of --status; tests are not among them. They keep their ids, and\n"
	    "their schedule begins anew. One that has not ended, or whose channel is switched off,\n"
	    "is refused.\n",
	    "delivery retry --channel " CHANNEL_EXAMPLE " --since 1d",
	    {{OPTION_DELIVERY, NEED_WORDS}, {OPTION_CHANNEL, NEED_NOT}, {OPTION_SINCE, NEED_NOT},
	     {OPTION_UNTIL, NEED_NOT}, {OPTION_DELIVERY_STATUS, NEED_NOT}},
	    .run = delivery_retry_run},
	{"status", "how long the queue is, how old, and whose heart beats",
	    "Exits with 1 where it goes ill: the oldest delivery that could go has waited for longer\n"
	    "than ready_oldest_due_s, no courier has beaten its heart within its lease, a fault on\n"
	    "our side holds deliveries up, or the queue is held.\n",
	    "status",
	    {{OPTION_NAGIOS, NEED_NOT}},
	    .run = status_run, .bears_no_settings = true},

	{"queue status", "is the queue held, and what waits in it", "", "queue status", {{0, NEED_END}},
	    .run = queue_status_run},
	{"queue hold", "let nothing leave the queue until it is released",
	    "Events are accepted and wait; what a courier has in hand ends. Couriers do this by\n"
	    "themselves where the database was restored from a backup. A queue that is held already\n"
	    "stays so, with its reason.\n",
	    "queue hold --reason 'the mail relay moves'",
	    {{OPTION_REASON, NEED_NOT}},
	    .run = statement_change, .query = &Q_ADMIN_QUEUE_HOLD, .nparams = 2,
	    .params = {COMMAND_ACTOR, OPTION_REASON}},
	{"queue release", "let a held queue go: all that waits is sent",
	    "After a restore that may be a second time for what had been sent since the backup.\n",
	    "queue release", {{0, NEED_END}},
	    .run = statement_change, .query = &Q_ADMIN_QUEUE_RELEASE, .nparams = 1, .params = {COMMAND_ACTOR},
	    .wait_ms = CTL_LONG_WAIT_MS},
	{"queue discard", "end what waits of old events, then let the queue go",
	    "Deliveries of events that were published before the time end as cancelled, and stay in\n"
	    "the history: `delivery retry --status cancelled` sends them after all. What is newer is\n"
	    "sent. Holds the queue while it works; interrupted, it leaves it held.\n",
	    "queue discard --before 2026-01-31T12:00:00Z --dry-run",
	    {{OPTION_BEFORE, NEED_OPTION}, {OPTION_DRY_RUN, NEED_NOT}, {OPTION_YES, NEED_NOT}},
	    .run = queue_discard_run, .wait_ms = CTL_LONG_WAIT_MS},

	{"keyring generate", "make the keyring that credentials are sealed to",
	    "Writes keyring_private (mode 0600, for the courier) and keyring_public (0644, for the\n"
	    "workers). Never overwrites one: credentials sealed to a lost key are lost.\n",
	    "keyring generate", {{0, NEED_END}},
	    .run = keyring_generate_run},
	{"keyring list", "the keys of the keyring, without their secrets", "", "keyring list", {{0, NEED_END}},
	    .run = keyring_list_run},
	{"keyring rotate", "seal what is new to a new key; run it until it is done",
	    "First adds a key to keyring_private and says which couriers must be given it: they read\n"
	    "it when they start. Then, run again, refuses until every live courier has the key, and\n"
	    "makes it active in both files. Values that are stored stay as they are: see reseal.\n",
	    "keyring rotate", {{0, NEED_END}},
	    .run = keyring_rotate_run},
	{"keyring reseal", "seal stored values anew to the active key",
	    "While all else goes on, in small transactions that wait for nobody. May be ended at any\n"
	    "moment and run again: it goes on with what is left. Needs keyring_private.\n",
	    "keyring reseal", {{0, NEED_END}},
	    .run = keyring_reseal_run},
	{"keyring retire", "take a key out of use that no stored value needs",
	    "From then on the database takes nothing that is sealed to it. The private half is put\n"
	    "into a file beside keyring_private: keep it while a backup of the database needs it.\n",
	    "keyring retire f35e5616160a30bf",
	    {{OPTION_KEY, NEED_WORD}},
	    .run = keyring_retire_run},
	{"keyring export", "write the keys to a file (0600) or into a pipe, for a backup or a machine",
	    "Never overwrites a file, and shows no private key on a terminal.\n",
	    "keyring export /root/keyring.backup",
	    {{OPTION_RING, NEED_WORD}, {OPTION_PUBLIC, NEED_NOT}},
	    .run = keyring_export_run},
	{"keyring import", "add the keys of a file to the keyring",
	    "Adds what is missing, overwrites nothing, and leaves the active key as it is, unless there\n"
	    "is none. With --public, for a web host: puts the file in place of keyring_public.\n",
	    "keyring import --public keyring.public",
	    {{OPTION_RING, NEED_WORD}, {OPTION_PUBLIC, NEED_NOT}},
	    .run = keyring_import_run},
	{"keyring check", "open every stored value and count",
	    "Changes nothing, and shows nothing of what it opens. Names the channel and field of each\n"
	    "value that cannot be opened, and exits with 1 if there is one. Needs keyring_private.\n",
	    "keyring check", {{0, NEED_END}},
	    .run = keyring_check_run},

	{"audit", "who changed what, newest first", "", "audit --since 7d --limit 20",
	    {{OPTION_TENANT, NEED_NOT}, {OPTION_SINCE, NEED_NOT}, {OPTION_LIMIT, NEED_NOT}},
	    .run = statement_list, .query = &Q_ADMIN_AUDIT_LIST, .nparams = 3,
	    .params = {OPTION_TENANT, OPTION_LIMIT, OPTION_SINCE}},
};
/* clang-format on */

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct command *
command_at(size_t i)
{
	return (i < NCOMMANDS ? &commands[i] : NULL);
}

/* How many of ${o}'s words are the first ones of the command ${words}; ${all}: how many that has.
 */
static size_t
common_words(const struct options *o, const char *words, size_t *all)
{
	struct slice rest = slice_of(words), word;
	size_t n = 0;
	bool same = true;

	for (*all = 0; slice_split(&rest, ' ', &word); (*all)++) {
		same = same && n < o->nwords && slice_eq(o->words[n], word);
		n += same ? 1 : 0;
	}
	return (n);
}

/* How many words the name of ${c} has. */
static size_t
word_count(const struct command *c)
{
	static const struct options none;
	size_t all;

	(void)common_words(&none, c->words, &all);
	return (all);
}

/* Say that the second word of ${o} is missing, or none that goes with the first. */
static void
tell_second(const struct options *o, struct buf *why)
{
	const struct slice first = o->words[0];
	const char *seconds[NCOMMANDS], *near = NULL;
	size_t i, all, n = 0;

	for (i = 0; i < NCOMMANDS; i++) {
		if (common_words(o, commands[i].words, &all) > 0)
			seconds[n++] = strchr(commands[i].words, ' ') + 1;
	}
	if (o->nwords > 1) {
		near = text_nearest(o->words[1], seconds, n);
		buf_printf(why, "there is no command %.*s %.*s; behind %.*s stands one of",
		    (int)first.len, first.ptr, (int)o->words[1].len, o->words[1].ptr,
		    (int)first.len, first.ptr);
	} else {
		buf_printf(why, "%.*s wants one more word:", (int)first.len, first.ptr);
	}
	for (i = 0; i < n; i++)
		buf_printf(why, "%s %s", i == 0 ? "" : ",", seconds[i]);
	if (near != NULL)
		buf_printf(why, "; did you mean %s?", near);
}

/* Is ${name} "tenant create" where the words are "create tenant"? */
static bool
is_swapped(const struct options *o, const char *name)
{
	const char *blank = strchr(name, ' ');

	return (blank != NULL && o->nwords > 1 && slice_eq(o->words[0], slice_of(blank + 1)) &&
		slice_eq(o->words[1], slice_make(name, (size_t)(blank - name))));
}

/* Say that the words name no command; ${common} of them begin one. */
static void
tell_unknown(const struct options *o, size_t common, struct buf *why)
{
	const char *names[NCOMMANDS], *near;
	char joined[128];
	size_t i;

	if (common > 0) {
		tell_second(o, why);
		return;
	}
	for (i = 0; i < NCOMMANDS; i++)
		names[i] = commands[i].words;
	snprintf(joined, sizeof(joined), "%.*s%s%.*s", (int)o->words[0].len, o->words[0].ptr,
	    o->nwords > 1 ? " " : "", o->nwords > 1 ? (int)o->words[1].len : 0,
	    o->nwords > 1 ? o->words[1].ptr : "");
	near = text_nearest(slice_of(joined), names, NCOMMANDS);
	for (i = 0; i < NCOMMANDS && near == NULL; i++)
		near = is_swapped(o, names[i]) ? names[i] : NULL;
	buf_printf(why, "there is no command %.*s", (int)o->words[0].len, o->words[0].ptr);
	if (near != NULL)
		buf_printf(why, "; did you mean %s?", near);
	else
		buf_printf(why, "; sigsentryctl --help shows them");
}

enum err
command_find(const struct options *o, const struct command **found, struct buf *why)
{
	size_t i, n, all, common = 0;

	if (o->nwords == 0) {
		buf_printf(why, "say what to do; sigsentryctl --help shows the commands");
		return (ERR_INVALID);
	}
	for (i = 0; i < NCOMMANDS; i++) {
		n = common_words(o, commands[i].words, &all);
		if (n == all) {
			*found = &commands[i];
			return (ERR_OK);
		}
		common = n > common ? n : common;
	}
	tell_unknown(o, common, why);
	return (ERR_INVALID);
}

/* What ${c} wants of ${option}. */
static enum command_need
need_of(const struct command *c, enum option option)
{
	size_t i;

	for (i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].need != NEED_END; i++) {
		if (c->options[i].option == option)
			return (c->options[i].need);
	}
	return (NEED_END);
}

/* How many bare words an option may be given by. */
static size_t
most_words(enum command_need need)
{
	return (need == NEED_WORD ? 1 : need == NEED_WORDS ? SIZE_MAX : 0);
}

/* One that ${c} takes with a value was given without, or the other way round. */
static enum err
look_at_twins(const struct command *c, const struct options *o, struct buf *why)
{
	enum option twin;
	int i;

	for (i = OPTION__GLOBALS; i < OPTION__MAX; i++) {
		twin = options_twin((enum option)i);
		if (!options_has(o, (enum option)i) || twin == OPTION__MAX ||
		    need_of(c, (enum option)i) != NEED_END || need_of(c, twin) == NEED_END)
			continue;
		if (option_rows[twin].value != NULL)
			buf_printf(why, "--%s needs a value behind it: %s", option_rows[i].name,
			    option_rows[twin].what);
		else
			buf_printf(why, "--%s takes no value", option_rows[i].name);
		return (ERR_INVALID);
	}
	return (ERR_OK);
}

/* Turn the words behind the command's own into the options that they stand for. */
static enum err
take_words(const struct command *c, struct options *o, struct arena *a, struct buf *why)
{
	size_t next = word_count(c), i, n;
	enum err e;

	for (i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].need != NEED_END; i++) {
		if (c->options[i].need == NEED_WORD && options_has(o, c->options[i].option))
			continue;
		for (n = most_words(c->options[i].need); n > 0 && next < o->nwords; n--) {
			if ((e = options_set(o, a, c->options[i].option, o->words[next++], why)) !=
			    ERR_OK)
				return (e);
		}
	}
	if (next == o->nwords)
		return (ERR_OK);
	buf_printf(why, "%s does not take the word %.*s; see sigsentryctl %s --help", c->words,
	    (int)o->words[next].len, o->words[next].ptr, c->words);
	return (ERR_INVALID);
}

enum err
command_fit(const struct command *c, struct options *o, struct arena *a, struct buf *why)
{
	const struct option_row *row;
	enum command_need need;
	enum err e;
	int i;

	if ((e = look_at_twins(c, o, why)) != ERR_OK || (e = take_words(c, o, a, why)) != ERR_OK)
		return (e);
	for (i = OPTION__GLOBALS; i < OPTION__MAX; i++) {
		row = &option_rows[i];
		need = need_of(c, (enum option)i);
		if (need == NEED_END && options_has(o, (enum option)i)) {
			buf_printf(why, "%s does not take --%s; see sigsentryctl %s --help",
			    c->words, row->name, c->words);
			return (ERR_INVALID);
		}
		if (need < NEED_OPTION || options_has(o, (enum option)i))
			continue;
		if (i == OPTION_YES)
			buf_printf(why, "%s cannot be undone; say --yes if you mean it", c->words);
		else if (need == NEED_WORD)
			buf_printf(why, "%s needs a word behind it, %s: %s", c->words, row->value,
			    row->what);
		else
			buf_printf(why, "%s needs --%s: %s", c->words, row->name, row->what);
		return (ERR_INVALID);
	}
	return (ERR_OK);
}

/* Append how ${c} is written. */
static void
put_usage(const struct command *c, struct buf *out)
{
	const struct option_row *row;
	enum command_need need;
	size_t i;

	buf_printf(out, "sigsentryctl %s", c->words);
	for (i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].need != NEED_END; i++) {
		row = &option_rows[c->options[i].option];
		need = c->options[i].need;
		if (need == NEED_WORD) {
			buf_printf(out, " %s", row->value);
			continue;
		}
		if (need == NEED_WORDS) {
			buf_printf(out, " [%s]...", row->value);
			continue;
		}
		buf_printf(out, " %s--%s%s%s%s%s", need == NEED_NOT ? "[" : "", row->name,
		    row->value == NULL ? "" : " ", row->value == NULL ? "" : row->value,
		    need == NEED_NOT ? "]" : "", row->repeats ? "..." : "");
	}
	buf_addc(out, '\n');
}

/* Append a line for ${row}; ${bare}: it is written without its name. */
static void
put_option(const struct option_row *row, bool bare, struct buf *out)
{
	char left[64];

	if (bare)
		snprintf(left, sizeof(left), "%s", row->value);
	else if (row->letter != '\0')
		snprintf(left, sizeof(left), "-%c%s%s, --%s", row->letter,
		    row->value == NULL ? "" : " ", row->value == NULL ? "" : row->value, row->name);
	else
		snprintf(left, sizeof(left), "--%s%s%s", row->name, row->value == NULL ? "" : " ",
		    row->value == NULL ? "" : row->value);
	buf_printf(out, "  %-26s %s\n", left, row->what);
}

static void
put_command(const struct command *c, struct buf *out)
{
	size_t i;

	buf_printf(out, "usage: ");
	put_usage(c, out);
	buf_printf(out, "\n%s.\n%s", c->what, c->more);
	if (c->options[0].need != NEED_END)
		buf_addc(out, '\n');
	for (i = 0; i < COMMAND_OPTIONS_MAX && c->options[i].need != NEED_END; i++)
		put_option(
		    &option_rows[c->options[i].option], most_words(c->options[i].need) > 0, out);
	buf_printf(out, "\nexample:\n  sigsentryctl %s\n", c->example);
}

/* Append a line for each command that begins with the words of ${o}. */
static size_t
put_overview(const struct options *o, struct buf *out)
{
	size_t i, all, n = 0;

	for (i = 0; i < NCOMMANDS; i++) {
		if (common_words(o, commands[i].words, &all) < o->nwords)
			continue;
		buf_printf(out, "  %-18s %s\n", commands[i].words, commands[i].what);
		n++;
	}
	return (n);
}

static void
put_program(const struct options *none, struct buf *out)
{
	int i;

	buf_printf(out, "usage: sigsentryctl [-c FILE] [-o KEY=VALUE]... [--json] COMMAND ...\n\n"
			"Sets up and looks after SigSentry Channels. Commands:\n\n");
	(void)put_overview(none, out);
	buf_printf(out, "\nOptions, before or behind the command:\n\n");
	for (i = 0; i < OPTION__GLOBALS; i++)
		put_option(&option_rows[i], false, out);
	buf_printf(out,
	    "\nExit status: 0 done, 1 refused or failed (the reason is on standard error), 2 "
	    "usage.\n\n"
	    "From nothing to a key:\n"
	    "  sigsentryctl setup\n"
	    "  sigsentryctl tenant create --name 'Example Ltd' --plan starter\n"
	    "  sigsentryctl project create --tenant ID --name 'Web shop' --slug web-shop\n"
	    "  sigsentryctl apikey create --project ID --kind secret \\\n"
	    "      --permission config:read --permission config:write --name deploy\n\n"
	    "sigsentryctl COMMAND --help tells more; so does sigsentryctl(8).\n");
}

enum err
command_help(const struct options *o, struct buf *out)
{
	size_t i, all;

	if (o->nwords == 0) {
		put_program(o, out);
		return (ERR_OK);
	}
	for (i = 0; i < NCOMMANDS; i++) {
		if (common_words(o, commands[i].words, &all) == all) {
			put_command(&commands[i], out);
			return (ERR_OK);
		}
	}
	if (o->nwords == 1 && put_overview(o, out) > 0) {
		buf_printf(out, "\nsigsentryctl %.*s WORD --help tells more.\n",
		    (int)o->words[0].len, o->words[0].ptr);
		return (ERR_OK);
	}
	return (ERR_NOTFOUND);
}
