#ifndef DOMAIN_KEYRING_H
#define DOMAIN_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define KEYRING_ID_LEN   8  /* bytes of a key's id: the first of SHA-256 of its public key */
#define KEYRING_ID_TEXT  17 /* its hex form and a NUL */
#define KEYRING_KEY_LEN  32 /* bytes of an X25519 key */
#define KEYRING_KEYS_MAX 32

/**
 * What a key is for.  A key that was made after the active one is to take its place when every
 * courier has it; in the file it stands as "old", since programs of 0.1.0 know but two words.
 */
enum keyring_state { KEYRING_ACTIVE = 0, KEYRING_NEXT, KEYRING_OLD, KEYRING__MAX };
extern const char *const keyring_state_words[KEYRING__MAX];

/** One recipient key.  `private_key` is all zeroes in a public keyring. */
struct keyring_key {
	uint8_t id[KEYRING_ID_LEN];
	int64_t created_ms; /* wall clock */
	bool active;        /* the one that new values are sealed to; exactly one is */
	uint8_t public_key[KEYRING_KEY_LEN];
	uint8_t private_key[KEYRING_KEY_LEN];
};

/** The keys of an installation; kept in locked memory where it holds private ones. */
struct keyring {
	bool has_private;
	size_t nkeys;
	struct keyring_key keys[KEYRING_KEYS_MAX];
};

/**
 * keyring_new(), keyring_free(ring):
 * Take an empty ring in locked memory (NULL: refused, see mem_locked_new()); wipe and give it back.
 */
struct keyring *keyring_new(void);
void keyring_free(struct keyring *ring);

/**
 * keyring_add(ring, created_ms):
 * Make a new X25519 key pair from strong random bytes and make it the active one.
 * ERR_SPACE: the ring is full.  ERR_INTERNAL: the crypto library failed.
 */
enum err keyring_add(struct keyring *ring, int64_t created_ms) MUST_CHECK;

/**
 * keyring_add_next(ring, created_ms, key):
 * Make a new key pair that waits to take the active one's place; ${key} gets it.  Whatever the
 * clock says, it counts as made after all others.  Errors as above.  ERR_DENIED: nothing is after
 * one of them, which bears the last time that the file can hold.
 */
enum err keyring_add_next(
    struct keyring *ring, int64_t created_ms, const struct keyring_key **key) MUST_CHECK;

/**
 * keyring_activate(ring, id), keyring_remove(ring, id):
 * Make the key with ${id} the active one in place of the one that is; wipe it and take it out,
 * which the active one cannot be.  ERR_NOTFOUND: there is none.  ERR_DENIED: it is active.
 */
enum err keyring_activate(struct keyring *ring, const uint8_t id[KEYRING_ID_LEN]) MUST_CHECK;
enum err keyring_remove(struct keyring *ring, const uint8_t id[KEYRING_ID_LEN]) MUST_CHECK;

/**
 * keyring_merge(ring, from, added):
 * Take what ${ring} lacks of the keys of ${from}; ${added} gets how many.  Its own keys and which
 * of them is active stay as they are; an empty one becomes as ${from}.  ERR_SPACE: they are too
 * many.  ERR_INVALID: one holds private keys and the other does not.  Then ${ring} is as it was.
 */
enum err keyring_merge(struct keyring *ring, const struct keyring *from, size_t *added) MUST_CHECK;

/**
 * keyring_active(ring), keyring_next(ring), keyring_find(ring, id):
 * The active key; the one that waits to become it, of several the last made; the key with ${id}.
 * NULL: none.
 *
 * keyring_state(ring, key):
 * What ${key} of ${ring} is for.
 */
const struct keyring_key *keyring_active(const struct keyring *ring);
const struct keyring_key *keyring_next(const struct keyring *ring);
enum keyring_state keyring_state(const struct keyring *ring, const struct keyring_key *key);
const struct keyring_key *keyring_find(
    const struct keyring *ring, const uint8_t id[KEYRING_ID_LEN]);

/**
 * keyring_parse(text, ring, line):
 * Read the file format below into ${ring}.  Checks that each id and public key fit the key they
 * stand beside, that something can be sealed to it (RFC 7748 §6.1: no point of low order), that ids
 * are unique and that exactly one key is active.  ERR_INVALID: ${line} is the line at fault,
 * from 1.
 *
 *     # comment
 *     sigsentry-keyring 1 private          (or: public)
 *     key <id, 16 hex> <created, RFC 3339> active|old <public, 64 hex> [<private, 64 hex>]
 */
enum err keyring_parse(struct slice text, struct keyring *ring, size_t *line) MUST_CHECK;

/**
 * keyring_print(ring, with_private, out):
 * Write that format to ${out}; private keys only with ${with_private} (the caller clears ${out}).
 */
void keyring_print(const struct keyring *ring, bool with_private, struct buf *out);

#endif
