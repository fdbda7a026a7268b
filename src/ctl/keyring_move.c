/*
 * Keys on their way to a backup, or to another machine.  Nothing that is there is ever overwritten
 * with less: an export wants a free name, an import adds what is missing.
 */
#include "ctl/keyring_move.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "ctl/command.h"
#include "ctl/file.h"
#include "ctl/keyring_cmd.h"
#include "ctl/options.h"
#include "ctl/output.h"

#define TEXT_MAX 65536 /* bytes of a keyring file */

static bool
is_public(const struct ctl *ctl)
{
	return (options_has(ctl->options, OPTION_PUBLIC));
}

/* Print what was done: the active key, how many keys there are, how many of them are new. */
static void
print(const struct ctl *ctl, const struct keyring *ring, const char *path, size_t added)
{
	static const struct output_col cols[] = {{"id", DB_TYPE_TEXT}, {"file", DB_TYPE_TEXT},
	    {"keys", DB_TYPE_NUMBER}, {"added", DB_TYPE_NUMBER}};
	char id[KEYRING_ID_TEXT] = "", nkeys[DB_INT_SIZE], nadded[DB_INT_SIZE];
	const struct slice cells[] = {slice_make(id, sizeof(id) - 1), slice_of(path),
	    db_param_int((int64_t)ring->nkeys, nkeys).value,
	    db_param_int((int64_t)added, nadded).value};
	const struct output_table t = {
	    cols, ctl->command->run == keyring_export_run ? 3 : 4, cells, 1};

	text_hex(keyring_active(ring)->id, KEYRING_ID_LEN, id);
	output_record(&t, ctl->json, ctl->out);
}

/* Load what is to be exported. */
static enum err
load_own(const struct ctl *ctl, struct keyring *ring)
{
	enum err e;

	if (!is_public(ctl))
		return (keyring_load_private(ctl, ring));
	if ((e = keyring_load_public(ctl, ring)) == ERR_OK && ring->nkeys == 0) {
		buf_printf(ctl->why, "there is no %s", ctl->settings->keyring_public);
		e = ERR_NOTFOUND;
	}
	return (e);
}

/* Is standard output a file that others may read? */
static bool
is_open_to_others(void)
{
	struct stat st;

	return (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
		(st.st_mode & (S_IRGRP | S_IROTH)) != 0);
}

/* Write ${ring} to standard output, if that is nobody's screen and no file for all. */
static enum err
export_stdout(const struct ctl *ctl, const struct keyring *ring)
{
	if (!is_public(ctl) && is_open_to_others()) {
		buf_printf(ctl->why,
		    "standard output is a file that others may read: give its name in place of -, "
		    "or first `umask 077`");
		return (ERR_DENIED);
	}
	if (!is_public(ctl) && isatty(STDOUT_FILENO) != 0) {
		buf_printf(ctl->why,
		    "private keys are not shown on a terminal: send them into a pipe, or give the "
		    "name of a file");
		return (ERR_DENIED);
	}
	keyring_print(ring, !is_public(ctl), ctl->out);
	return (ERR_OK);
}

static enum err
export_file(const struct ctl *ctl, const struct keyring *ring, const char *path)
{
	enum err e = keyfile_save(path, ring, !is_public(ctl), false);

	if (e == ERR_EXISTS)
		buf_printf(ctl->why, "%s is there already and was left as it is", path);
	else if (e != ERR_OK)
		buf_printf(ctl->why, "%s could not be written; may this user write there?", path);
	else
		print(ctl, ring, path, 0);
	return (e);
}

enum err
keyring_export_run(const struct ctl *ctl)
{
	const struct slice path = options_value(ctl->options, OPTION_RING);
	const bool to_stdout = slice_eq(path, slice_of("-"));
	struct keyring *ring;
	enum err e;

	if (to_stdout && ctl->json) {
		buf_printf(ctl->why, "a keyring on standard output is no JSON: leave --json out");
		return (ERR_INVALID);
	}
	if ((ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	if ((e = load_own(ctl, ring)) == ERR_OK)
		e = to_stdout ? export_stdout(ctl, ring) : export_file(ctl, ring, path.ptr);
	keyring_free(ring);
	return (e);
}

/* Read the keyring on standard input. */
static enum err
read_stdin(const struct ctl *ctl, struct keyring *ring)
{
	const char *from;
	struct buf text;
	size_t line;
	enum err e;

	buf_init(&text, TEXT_MAX);
	e = file_read(slice_of("-"), "a keyring", &text, &from, ctl->why);
	if (e == ERR_OK && keyring_parse(buf_slice(&text), ring, &line) != ERR_OK) {
		buf_printf(ctl->why, "%s: line %zu: not what a keyring holds", from, line);
		e = ERR_DENIED;
	}
	buf_clear(&text);
	return (e);
}

/* Read what is to be imported, of the kind that was asked for. */
static enum err
read_given(const struct ctl *ctl, struct keyring *ring)
{
	const struct slice path = options_value(ctl->options, OPTION_RING);
	enum err e;

	if (slice_eq(path, slice_of("-"))) {
		e = read_stdin(ctl, ring);
	} else if (access(path.ptr, F_OK) != 0) {
		buf_printf(ctl->why, "there is no %s", path.ptr);
		e = ERR_NOTFOUND;
	} else if ((e = keyfile_load(path.ptr, ring)) != ERR_OK) {
		buf_printf(ctl->why, "%s cannot be used (%s)%s", path.ptr, err_word(e),
		    e == ERR_DENIED ? "; chmod 0600 it" : "");
	}
	if (e != ERR_OK || ring->has_private != is_public(ctl))
		return (e == ERR_INVALID ? ERR_DENIED : e);
	buf_printf(ctl->why, "%s",
	    is_public(ctl)
		? "it holds private keys, which do not belong on a web host: make it with "
		  "`sigsentryctl keyring export --public`"
		: "it holds public keys alone, which open nothing: import the private "
		  "file, or say --public on a web host");
	return (ERR_DENIED);
}

/* Add what is missing to the private file; make the public one where there is none. */
static enum err
import_private(const struct ctl *ctl, const struct keyring *given, struct keyring *ring)
{
	const struct settings *s = ctl->settings;
	const bool is_there = access(s->keyring_private, F_OK) == 0;
	size_t added = 0;
	enum err e = ERR_OK;

	if (is_there)
		e = keyring_load_private(ctl, ring);
	if (e != ERR_OK)
		return (e);
	if ((e = keyring_merge(ring, given, &added)) != ERR_OK) {
		buf_printf(ctl->why, "a keyring holds at most %d keys: first retire old ones",
		    KEYRING_KEYS_MAX);
		return (ERR_DENIED);
	}
	if (!is_there) /* or a link that leads nowhere now */
		e = keyring_save_new(ctl, s->keyring_private, ring, true);
	else if (added > 0)
		e = keyring_save(ctl, s->keyring_private, ring, true);
	if (e == ERR_OK && access(s->keyring_public, F_OK) != 0)
		e = keyring_save(ctl, s->keyring_public, ring, false);
	if (e == ERR_OK)
		print(ctl, ring, s->keyring_private, added);
	return (e);
}

/* May ${given} take the place of the public file's ${ring}? */
static enum err
judge_public(const struct ctl *ctl, const struct keyring *given, const struct keyring *ring)
{
	const struct keyring_key *old = keyring_active(ring), *new = keyring_active(given);
	struct keyring *own;
	enum err e = ERR_OK;

	if (old != NULL && new->created_ms < old->created_ms) {
		buf_printf(ctl->why,
		    "its active key is older than that of %s; if that is meant, remove this file "
		    "first",
		    ctl->settings->keyring_public);
		return (ERR_DENIED);
	}
	if (access(ctl->settings->keyring_private, R_OK) != 0)
		return (ERR_OK);
	if ((own = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	e = keyring_load_private(ctl, own);
	if (e == ERR_OK && keyring_find(own, new->id) == NULL) {
		buf_printf(ctl->why,
		    "the private half of its active key is not in %s: import that first",
		    ctl->settings->keyring_private);
		e = ERR_DENIED;
	}
	keyring_free(own);
	return (e);
}

/* Put it in place of the public file. */
static enum err
import_public(const struct ctl *ctl, const struct keyring *given, struct keyring *ring)
{
	size_t added = 0, i;
	enum err e;

	if ((e = keyring_load_public(ctl, ring)) != ERR_OK ||
	    (e = judge_public(ctl, given, ring)) != ERR_OK)
		return (e);
	for (i = 0; i < given->nkeys; i++)
		added += keyring_find(ring, given->keys[i].id) == NULL ? 1 : 0;
	if ((e = keyring_save(ctl, ctl->settings->keyring_public, given, false)) == ERR_OK)
		print(ctl, given, ctl->settings->keyring_public, added);
	return (e);
}

enum err
keyring_import_run(const struct ctl *ctl)
{
	struct keyring *given, *ring = NULL;
	enum err e = ERR_NOMEM;
	int lock = -1;

	if ((given = keyring_empty(ctl)) != NULL)
		ring = keyring_empty(ctl);
	if (ring != NULL)
		e = read_given(ctl, given);
	/* not before: who sends it may take long */
	if (e == ERR_OK)
		e = keyring_lock(ctl, &lock);
	if (e == ERR_OK)
		e = is_public(ctl) ? import_public(ctl, given, ring)
				   : import_private(ctl, given, ring);
	keyring_free(ring);
	keyring_free(given);
	keyfile_unlock(lock);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}
