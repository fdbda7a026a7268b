/* Sealed records: no bytes but a sealer's open, those open to what was sealed, in their place
 * alone, and a refusal leaves the output as it was. */
#include "domain/seal.h"

#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "fuzz.h"

/* A pair that is no secret, so that a box of the corpus opens for ever: its private half counts
 * from 1 to 32. */
static const char ring_text[] =
    "sigsentry-keyring 1 private\n"
    "key aaa8fff703b50b22 2026-01-01T00:00:00.000Z active "
    "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c "
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\n";

static const struct uuid channel = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct seal_where where = {&channel, "slack", "webhookUrl"};
static const struct seal_where elsewhere = {&channel, "slack", "webhookUr"};

#define UNTOUCHED 0xa5

static uint8_t out[SEAL_PLAIN_MAX + 1];

/* Open ${box} at ${place}; where that is refused, not one byte of ${out} was written. */
static enum err
open_box(struct seal_ring *ring, const struct seal_where *place, struct slice box, size_t *len)
{
	size_t i, seen = box.len + 1 < sizeof(out) ? box.len + 1 : sizeof(out);
	enum err e;

	memset(out, UNTOUCHED, sizeof(out));
	*len = SIZE_MAX;
	e = seal_open(ring, place, box, out, SEAL_PLAIN_MAX, len);
	if (e == ERR_OK) {
		MUST(*len == box.len - SEAL_OVERHEAD && out[*len] == UNTOUCHED);
		return (e);
	}
	MUST(e == ERR_DAMAGED || e == ERR_NOKEY);
	MUST(*len == SIZE_MAX);
	for (i = 0; i < seen; i++)
		MUST(out[i] == UNTOUCHED);
	return (e);
}

/* ${box} opens: then it does so nowhere else, not into too little room, and not with a bit turned.
 */
static void
check_bound(struct seal_ring *ring, struct slice box, size_t at)
{
	char *bad = malloc(box.len);
	size_t len;

	MUST(bad != NULL);
	MUST(open_box(ring, &elsewhere, box, &len) == ERR_DAMAGED);
	memcpy(bad, box.ptr, box.len);
	bad[at % box.len] ^= (char)(1 << at % 8);
	MUST(open_box(ring, &where, slice_make(bad, box.len), &len) != ERR_OK);
	MUST(open_box(ring, &where, slice_make(box.ptr, box.len - 1), &len) != ERR_OK);
	free(bad);
	if (box.len > SEAL_OVERHEAD)
		MUST(seal_open(ring, &where, box, out, box.len - SEAL_OVERHEAD - 1, &len) ==
		     ERR_SPACE);
}

/* What is sealed opens to the same. */
static void
check_round(struct seal_sender *sender, struct seal_ring *ring, struct slice plain, size_t at)
{
	struct buf box;
	size_t len;
	enum err e;

	buf_init(&box, 2 * SEAL_PLAIN_MAX);
	e = seal_close(sender, 0, &where, plain, &box);
	MUST(e == (plain.len > SEAL_PLAIN_MAX ? ERR_SPACE : ERR_OK));
	if (e == ERR_OK) {
		MUST(open_box(ring, &where, buf_slice(&box), &len) == ERR_OK);
		MUST(len == plain.len && memcmp(out, plain.ptr, len) == 0);
		check_bound(ring, buf_slice(&box), at);
	}
	buf_clear(&box);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring *keys;
	static struct seal_ring *ring;
	static struct seal_sender *sender;
	struct slice input = slice_make(size == 0 ? (const void *)"" : data, size);
	size_t line, len, at = 0, i;

	if (keys == NULL) {
		MUST(crypt_init() == ERR_OK && (keys = keyring_new()) != NULL);
		MUST(keyring_parse(slice_of(ring_text), keys, &line) == ERR_OK);
		ring = seal_ring_new(keys);
		sender = seal_sender_new(keyring_active(keys), 60000);
		MUST(ring != NULL && sender != NULL);
	}
	for (i = 0; i < size; i++)
		at = at * 31 + data[i];
	if (open_box(ring, &where, input, &len) == ERR_OK)
		check_bound(ring, input, at);
	check_round(sender, ring, input, at);
	return (0);
}
