/* Keyring files: what is read has one active key and ids that are its own, prints as a file that
 * reads the same, and a refused file leaves no key behind. */
#include "domain/keyring.h"

#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "fuzz.h"

#define FILE_MAX (64 * 1024)

static bool
is_wiped(const struct keyring *ring)
{
	const uint8_t *p = (const uint8_t *)ring;
	size_t i;

	for (i = 0; i < sizeof(*ring) && p[i] == 0; i++)
		;
	return (i == sizeof(*ring));
}

static void
check_keys(const struct keyring *ring)
{
	uint8_t digest[CRYPT_SHA256_LEN], public_key[KEYRING_KEY_LEN];
	const struct keyring_key *k;
	size_t i, nactive = 0;

	MUST(ring->nkeys >= 1 && ring->nkeys <= KEYRING_KEYS_MAX);
	for (i = 0; i < ring->nkeys; i++) {
		k = &ring->keys[i];
		nactive += k->active;
		MUST(keyring_find(ring, k->id) == k);
		crypt_sha256(slice_make(k->public_key, KEYRING_KEY_LEN), digest);
		MUST(memcmp(digest, k->id, KEYRING_ID_LEN) == 0);
		if (!ring->has_private)
			continue;
		MUST(crypt_x25519_base(k->private_key, public_key) == ERR_OK);
		MUST(memcmp(public_key, k->public_key, KEYRING_KEY_LEN) == 0);
	}
	MUST(nactive == 1 && keyring_active(ring)->active);
}

/* Printed with or without the private halves, it reads the same but for those. */
static void
check_print(const struct keyring *ring, struct keyring *again, bool with_private)
{
	struct buf one, two;
	size_t line;

	buf_init(&one, FILE_MAX);
	buf_init(&two, FILE_MAX);
	keyring_print(ring, with_private, &one);
	MUST(buf_ok(&one) && keyring_parse(buf_slice(&one), again, &line) == ERR_OK);
	MUST(again->nkeys == ring->nkeys &&
	     again->has_private == (with_private && ring->has_private));
	MUST(memcmp(keyring_active(again)->id, keyring_active(ring)->id, KEYRING_ID_LEN) == 0);
	if (with_private)
		MUST(memcmp(again, ring, sizeof(*ring)) == 0);
	keyring_print(again, with_private, &two);
	MUST(slice_eq(buf_slice(&one), buf_slice(&two)));
	buf_clear(&one);
	buf_clear(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring *ring, *again;
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size), rest = text,
		     part;
	size_t line = SIZE_MAX, nlines = 0;
	enum err e;

	if (ring == NULL) {
		MUST(crypt_init() == ERR_OK);
		MUST((ring = keyring_new()) != NULL && (again = keyring_new()) != NULL);
	}
	e = keyring_parse(text, ring, &line);
	MUST(e == ERR_OK || e == ERR_INVALID);
	if (e == ERR_OK) {
		check_keys(ring);
		check_print(ring, again, true);
		check_print(ring, again, false);
		return (0);
	}
	while (slice_split(&rest, '\n', &part))
		nlines++;
	MUST(is_wiped(ring) && line >= 1 && line <= nlines);
	return (0);
}
