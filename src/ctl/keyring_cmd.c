/*
 * The keyring's files, and the commands that need nothing else: no database, so that they work
 * before there is one.
 */
#include "ctl/keyring_cmd.h"

#include <string.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "ctl/output.h"
#include "domain/keyring.h"

#define LOCK_WAIT_MS 10000

enum keyring_files
keyring_look(const struct settings *s)
{
	bool pub = access(s->keyring_public, F_OK) == 0;
	bool priv = access(s->keyring_private, F_OK) == 0;

	if (priv)
		return (pub ? KEYRING_BOTH : KEYRING_PRIVATE_ONLY);
	return (pub ? KEYRING_PUBLIC_ONLY : KEYRING_NONE);
}

struct keyring *
keyring_empty(const struct ctl *ctl)
{
	struct keyring *ring = crypt_init() == ERR_OK ? keyring_new() : NULL;

	if (ring == NULL)
		buf_printf(ctl->why, "no locked memory for the keys; raise the limit (ulimit -l)");
	return (ring);
}

enum err
keyring_lock(const struct ctl *ctl, int *fd)
{
	const struct settings *s = ctl->settings;
	enum err e = keyfile_lock(s->keyring_private, LOCK_WAIT_MS, fd);

	if (e == ERR_TIMEOUT) {
		buf_printf(ctl->why,
		    "another program holds the lock of the folder of %s: wait for it, and run this "
		    "again (`lslocks` names it)",
		    s->keyring_private);
	} else if (e != ERR_OK) {
		buf_printf(ctl->why, "the folder of %s cannot be locked; is it there?",
		    s->keyring_private);
	} else {
		keyfile_sweep(s->keyring_private);
		keyfile_sweep(s->keyring_public);
	}
	return (e);
}

bool
keyring_same_active(const struct keyring *a, const struct keyring *b)
{
	const struct keyring_key *ka = keyring_active(a), *kb = keyring_active(b);

	return (ka != NULL && kb != NULL && memcmp(ka->id, kb->id, KEYRING_ID_LEN) == 0);
}

enum err
keyring_load_private(const struct ctl *ctl, struct keyring *ring)
{
	const char *path = ctl->settings->keyring_private;
	enum err e;

	if (access(path, F_OK) != 0) {
		buf_printf(ctl->why,
		    "there is no %s: run this on the courier's machine, or bring the keys here "
		    "with `sigsentryctl keyring import`",
		    path);
		return (ERR_NOTFOUND);
	}
	if ((e = keyfile_load(path, ring)) == ERR_OK && !ring->has_private)
		e = ERR_DENIED;
	if (e != ERR_OK)
		buf_printf(ctl->why,
		    "%s cannot be used as private keys (%s); `sigsentryctl check` says more", path,
		    err_word(e));
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

enum err
keyring_load_public(const struct ctl *ctl, struct keyring *ring)
{
	const char *path = ctl->settings->keyring_public;
	enum err e;

	if (access(path, F_OK) != 0)
		return (ERR_OK);
	if ((e = keyfile_load(path, ring)) != ERR_OK) {
		buf_printf(ctl->why, "%s cannot be used (%s); `sigsentryctl check` says more", path,
		    err_word(e));
	} else if (ring->has_private) {
		buf_printf(ctl->why,
		    "keyring_public names %s, which holds private keys: they would be lost with "
		    "the next change; name another file in %s, or move this one away",
		    path, ctl->config_path);
		e = ERR_DENIED;
	}
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

enum err
keyring_save(const struct ctl *ctl, const char *path, const struct keyring *ring, bool with_private)
{
	enum err e = keyfile_save(path, ring, with_private, true);

	if (e == ERR_DENIED)
		buf_printf(ctl->why,
		    "%s is a symbolic link, and nothing is put in its place: name the file that it "
		    "leads to in %s, then run it again",
		    path, ctl->config_path);
	else if (e != ERR_OK)
		buf_printf(ctl->why,
		    "%s could not be written; may this user write in its folder? Run it again "
		    "when it can be",
		    path);
	return (e);
}

enum err
keyring_save_new(
    const struct ctl *ctl, const char *path, const struct keyring *ring, bool with_private)
{
	enum err e = keyfile_save(path, ring, with_private, false);

	if (e == ERR_EXISTS)
		buf_printf(ctl->why,
		    "%s is there already and was left as it is; `sigsentryctl keyring list` shows "
		    "it",
		    path);
	else if (e != ERR_OK)
		buf_printf(
		    ctl->why, "%s could not be written; may this user write in its folder?", path);
	return (e);
}

/* keyring_make() under the lock. */
static enum err
make_locked(const struct ctl *ctl, char *id)
{
	const struct clock c = clock_system();
	enum keyring_files there = keyring_look(ctl->settings);
	struct keyring *ring;
	enum err e;

	if (there == KEYRING_PRIVATE_ONLY) {
		buf_printf(ctl->why,
		    "there is a keyring already (%s); its public half %s is missing: `sigsentryctl "
		    "setup` makes it",
		    ctl->settings->keyring_private, ctl->settings->keyring_public);
		return (ERR_EXISTS);
	}
	if (there != KEYRING_NONE) {
		buf_printf(ctl->why,
		    "there is a keyring already (%s); it was left as it is, since credentials "
		    "sealed to a "
		    "lost key are lost",
		    there == KEYRING_PUBLIC_ONLY ? ctl->settings->keyring_public
						 : ctl->settings->keyring_private);
		return (ERR_EXISTS);
	}
	if ((ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	if ((e = keyring_add(ring, clock_wall_ms(&c))) != ERR_OK)
		buf_printf(ctl->why, "the crypto library could not make a key (%s)", err_word(e));
	/* The private file first: a public one alone would take credentials that nobody can open.
	 */
	if (e == ERR_OK)
		e = keyring_save_new(ctl, ctl->settings->keyring_private, ring, true);
	if (e == ERR_OK)
		e = keyring_save_new(ctl, ctl->settings->keyring_public, ring, false);
	if (e == ERR_OK)
		text_hex(ring->keys[0].id, KEYRING_ID_LEN, id);
	keyring_free(ring);
	return (e);
}

enum err
keyring_make(const struct ctl *ctl, char *id)
{
	enum err e;
	int lock;

	if ((e = keyring_lock(ctl, &lock)) == ERR_OK)
		e = make_locked(ctl, id);
	keyfile_unlock(lock);
	return (e);
}

/* keyring_make_public() under the lock. */
static enum err
make_public_locked(const struct ctl *ctl)
{
	struct keyring *ring;
	enum err e;

	if ((ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	if ((e = keyfile_load(ctl->settings->keyring_private, ring)) != ERR_OK)
		buf_printf(ctl->why, "%s cannot be read (%s)", ctl->settings->keyring_private,
		    err_word(e));
	else
		e = keyring_save_new(ctl, ctl->settings->keyring_public, ring, false);
	keyring_free(ring);
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

enum err
keyring_make_public(const struct ctl *ctl)
{
	enum err e;
	int lock;

	if ((e = keyring_lock(ctl, &lock)) == ERR_OK)
		e = make_public_locked(ctl);
	keyfile_unlock(lock);
	return (e);
}

/* Make the cells of a row out of key ${i}. */
static enum err
key_row(const struct ctl *ctl, const struct keyring *ring, size_t i, struct slice cells[4])
{
	const struct keyring_key *key = &ring->keys[i];
	char *id = arena_alloc(ctl->arena, KEYRING_ID_TEXT);
	char *at = arena_alloc(ctl->arena, CLOCK_RFC3339_SIZE);

	if (id == NULL || at == NULL)
		return (ERR_NOMEM);
	text_hex(key->id, KEYRING_ID_LEN, id);
	clock_rfc3339(key->created_ms, at);
	cells[0] = slice_of(id);
	cells[1] = slice_of(at);
	cells[2] = slice_of(keyring_state_words[keyring_state(ring, key)]);
	cells[3] = slice_of(ring->has_private ? "t" : "f");
	return (ERR_OK);
}

/* Print ${ring}: as a list, or its only key as a record. */
static enum err
print(const struct ctl *ctl, const struct keyring *ring, bool record)
{
	static const struct output_col cols[] = {{"id", DB_TYPE_TEXT}, {"createdAt", DB_TYPE_TEXT},
	    {"state", DB_TYPE_TEXT}, {"private", DB_TYPE_BOOL}};
	struct slice cells[4 * KEYRING_KEYS_MAX];
	const struct output_table t = {cols, 4, cells, ring->nkeys};
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < ring->nkeys && e == ERR_OK; i++)
		e = key_row(ctl, ring, i, cells + 4 * i);
	if (e == ERR_OK && !record)
		return (output_list(&t, ctl->json, ctl->arena, ctl->out));
	if (e == ERR_OK)
		output_record(&t, ctl->json, ctl->out);
	return (e);
}

/* Load what may be read of the keyring: the private file, or else the public one. */
static enum err
load(const struct ctl *ctl, struct keyring *ring)
{
	const struct settings *s = ctl->settings;
	const char *path =
	    access(s->keyring_private, R_OK) == 0 ? s->keyring_private : s->keyring_public;
	enum err e;

	if (keyring_look(s) == KEYRING_NONE) {
		buf_printf(ctl->why,
		    "there is no keyring (%s); `sigsentryctl keyring generate` makes one",
		    s->keyring_private);
		return (ERR_NOTFOUND);
	}
	if ((e = keyfile_load(path, ring)) != ERR_OK)
		buf_printf(ctl->why, "%s cannot be used (%s); `sigsentryctl check` says more", path,
		    err_word(e));
	return (e == ERR_INVALID ? ERR_DENIED : e);
}

enum err
keyring_list_run(const struct ctl *ctl)
{
	struct keyring *ring;
	enum err e;

	if ((ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	if ((e = load(ctl, ring)) == ERR_OK)
		e = print(ctl, ring, false);
	keyring_free(ring);
	return (e);
}

enum err
keyring_generate_run(const struct ctl *ctl)
{
	char id[KEYRING_ID_TEXT];
	struct keyring *ring;
	enum err e;

	if ((e = keyring_make(ctl, id)) != ERR_OK)
		return (e);
	if ((ring = keyring_empty(ctl)) == NULL)
		return (ERR_NOMEM);
	if ((e = load(ctl, ring)) == ERR_OK)
		e = print(ctl, ring, true);
	keyring_free(ring);
	return (e);
}
