/*
 * Credentials on their way to rest and back: the sealing end of an API worker, the opening end of a
 * courier. X25519 costs 130 µs and AES-GCM 3: so both keep what HPKE derived, a worker one context
 * for a while, a courier the last 256 it met.  Both live in locked memory as a whole.
 */
#include "domain/seal.h"

#include <string.h>

#include "base/hpke.h"
#include "base/mem.h"

#define VERSION   1
#define AEAD      HPKE_AES_256_GCM
#define CACHE_MAX 256 /* contexts */
#define AAD_MAX   256 /* bytes: 16, two of our own words, and their lengths */

/* Where the parts of a box begin. */
#define AT_ID   1
#define AT_ENC  (AT_ID + KEYRING_ID_LEN)
#define AT_SEQ  (AT_ENC + HPKE_ENC_LEN)
#define AT_CT   (AT_SEQ + 8)
#define BOX_MAX (SEAL_OVERHEAD + SEAL_PLAIN_MAX)

_Static_assert(AT_CT + HPKE_TAG_LEN == SEAL_OVERHEAD, "the box has the size that seal.h says");
_Static_assert(KEYRING_KEY_LEN == HPKE_KEY_LEN, "the keyring holds HPKE keys");

static const struct slice info = SLICE_LIT("sigsentry channel credential v1");

struct seal_sender {
	uint8_t id[KEYRING_ID_LEN];
	uint8_t pk_r[HPKE_KEY_LEN];
	int64_t context_ms;
	/* The context; all zeroes while there is none. */
	struct seal_sending {
		bool live;
		int64_t made_ms;
		uint8_t enc[HPKE_ENC_LEN];
		struct hpke_context hpke; /* its seq counts the seals */
	} now;
};

/* What opens the boxes of one sender context. */
struct entry {
	uint8_t id[KEYRING_ID_LEN];
	uint8_t enc[HPKE_ENC_LEN];
	struct hpke_context hpke;
	uint64_t used_at; /* by the ring's count of openings; 0: empty */
};

struct seal_ring {
	const struct keyring *keys;
	uint64_t openings;
	struct entry fresh; /* not yet proved by a tag that verifies */
	struct entry cache[CACHE_MAX];
};

/* Append one part of the AAD, led by its length, so that no byte can pass from one part to the
 * next. */
static void
put_part(struct buf *b, struct slice part)
{
	buf_addc(b, (char)(uint8_t)(part.len >> 8));
	buf_addc(b, (char)(uint8_t)part.len);
	buf_add(b, part);
}

/* Write what ${where} binds a value to.  The caller clears ${aad}. */
static enum err
make_aad(const struct seal_where *where, struct buf *aad)
{
	buf_init(aad, AAD_MAX);
	put_part(aad, slice_make(where->channel->bytes, sizeof(where->channel->bytes)));
	put_part(aad, slice_of(where->type));
	put_part(aad, slice_of(where->field));
	if (buf_ok(aad))
		return (ERR_OK);
	return (aad->ptr == NULL ? ERR_NOMEM : ERR_INTERNAL); /* the latter: words over the limit */
}

struct seal_sender *
seal_sender_new(const struct keyring_key *key, int64_t context_ms)
{
	struct seal_sender *s;

	if ((s = mem_locked_new(sizeof(*s))) == NULL)
		return (NULL);
	memcpy(s->id, key->id, KEYRING_ID_LEN);
	memcpy(s->pk_r, key->public_key, HPKE_KEY_LEN);
	s->context_ms = context_ms;
	return (s);
}

void
seal_sender_free(struct seal_sender *s)
{
	mem_locked_free(s, sizeof(*s));
}

const uint8_t *
seal_sender_id(const struct seal_sender *s)
{
	return (s->id);
}

int64_t
seal_sender_idle_ms(const struct seal_sender *s, int64_t now_ms)
{
	int64_t age_ms = now_ms - s->now.made_ms;

	if (!s->now.live)
		return (-1);
	return (age_ms >= s->context_ms ? 0 : s->context_ms - age_ms);
}

void
seal_sender_expire(struct seal_sender *s, int64_t now_ms)
{
	if (seal_sender_idle_ms(s, now_ms) == 0)
		mem_wipe(&s->now, sizeof(s->now));
}

/* See that ${s} has a context that may be used now. */
static enum err
sender_ready(struct seal_sender *s, int64_t now_ms)
{
	enum err e;

	seal_sender_expire(s, now_ms);
	if (s->now.live && s->now.hpke.seq >= SEAL_CONTEXT_USES)
		mem_wipe(&s->now, sizeof(s->now));
	if (s->now.live)
		return (ERR_OK);
	if ((e = hpke_setup_sender(AEAD, s->pk_r, NULL, info, &s->now.hpke, s->now.enc)) != ERR_OK)
		return (e);
	s->now.made_ms = now_ms;
	s->now.live = true;
	return (ERR_OK);
}

static void
put_seq(uint8_t out[8], uint64_t seq)
{
	size_t i;

	for (i = 0; i < 8; i++)
		out[i] = (uint8_t)(seq >> (56 - 8 * i));
}

static uint64_t
get_seq(const uint8_t in[8])
{
	uint64_t seq = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		seq = seq << 8 | in[i];
	return (seq);
}

enum err
seal_close(struct seal_sender *s, int64_t now_ms, const struct seal_where *where,
    struct slice plain, struct buf *out)
{
	enum err rc = ERR_INTERNAL, e;
	uint8_t box[BOX_MAX];
	struct buf aad;

	if ((e = make_aad(where, &aad)) != ERR_OK) {
		rc = e;
		goto out;
	}
	if (plain.len > SEAL_PLAIN_MAX) {
		rc = ERR_SPACE;
		goto out;
	}
	if ((e = sender_ready(s, now_ms)) != ERR_OK) {
		rc = e;
		goto out;
	}
	box[0] = VERSION;
	memcpy(box + AT_ID, s->id, KEYRING_ID_LEN);
	memcpy(box + AT_ENC, s->now.enc, HPKE_ENC_LEN);
	put_seq(box + AT_SEQ, s->now.hpke.seq);
	if (hpke_seal(&s->now.hpke, buf_slice(&aad), plain, box + AT_CT) != ERR_OK)
		goto out;
	buf_add(out, slice_make(box, SEAL_OVERHEAD + plain.len));
	rc = buf_ok(out) ? ERR_OK : ERR_NOMEM;
out:
	buf_clear(&aad);
	seal_sender_expire(s, now_ms); /* one that lives 0 ms ends here */
	return (rc);
}

struct seal_ring *
seal_ring_new(const struct keyring *ring)
{
	struct seal_ring *r;

	if ((r = mem_locked_new(sizeof(*r))) == NULL)
		return (NULL);
	r->keys = ring;
	return (r);
}

void
seal_ring_free(struct seal_ring *r)
{
	mem_locked_free(r, sizeof(*r));
}

/* The entry of ${r} for the id and enc of ${box}; NULL: none. */
static struct entry *
cache_find(struct seal_ring *r, const uint8_t *box)
{
	struct entry *c;

	for (c = r->cache; c < r->cache + CACHE_MAX; c++) {
		if (c->used_at != 0 && memcmp(c->enc, box + AT_ENC, HPKE_ENC_LEN) == 0 &&
		    memcmp(c->id, box + AT_ID, KEYRING_ID_LEN) == 0)
			return (c);
	}
	return (NULL);
}

/* Put the fresh entry in the place of an empty one or of the one that rested longest. */
static struct entry *
cache_keep(struct seal_ring *r)
{
	struct entry *c, *oldest = r->cache;

	for (c = r->cache; c < r->cache + CACHE_MAX; c++) {
		if (c->used_at < oldest->used_at)
			oldest = c;
	}
	*oldest = r->fresh;
	return (oldest);
}

/* Derive the fresh entry of ${r} for ${box}. */
static enum err
fresh_make(struct seal_ring *r, const struct keyring_key *key, const uint8_t *box)
{
	enum err e;

	memcpy(r->fresh.id, box + AT_ID, KEYRING_ID_LEN);
	memcpy(r->fresh.enc, box + AT_ENC, HPKE_ENC_LEN);
	e = hpke_setup_receiver(
	    AEAD, box + AT_ENC, key->private_key, key->public_key, info, &r->fresh.hpke);
	/* A low-order enc is nothing that a sender made. */
	return (e == ERR_INVALID ? ERR_DAMAGED : e);
}

/*
 * Open ${box}, known to be long enough.  Only a context whose tag verified stays in the cache: who
 * writes rubbish into the database cannot flush it.
 */
static enum err
ring_open(struct seal_ring *r, const struct keyring_key *key, struct slice aad, struct slice box,
    uint8_t *out)
{
	const uint8_t *bytes = (const uint8_t *)box.ptr;
	struct entry *c = cache_find(r, bytes);
	enum err e = ERR_OK;

	if (c == NULL)
		e = fresh_make(r, key, bytes);
	if (e == ERR_OK)
		e = hpke_open(c == NULL ? &r->fresh.hpke : &c->hpke, get_seq(bytes + AT_SEQ), aad,
		    slice_skip(box, AT_CT), out);
	if (e == ERR_OK) {
		if (c == NULL)
			c = cache_keep(r);
		c->used_at = ++r->openings;
	}
	mem_wipe(&r->fresh, sizeof(r->fresh));
	return (e == ERR_OK || e == ERR_DAMAGED || e == ERR_NOMEM ? e : ERR_INTERNAL);
}

enum err
seal_open(struct seal_ring *r, const struct seal_where *where, struct slice box, uint8_t *out,
    size_t out_cap, size_t *out_len)
{
	const struct keyring_key *key;
	uint8_t id[KEYRING_ID_LEN];
	enum err rc = ERR_INTERNAL, e;
	struct buf aad;

	if ((e = make_aad(where, &aad)) != ERR_OK) {
		rc = e;
		goto out;
	}
	rc = ERR_DAMAGED;
	if (seal_key_id(box, id) != ERR_OK || box.len > BOX_MAX)
		goto out;
	if ((key = keyring_find(r->keys, id)) == NULL) {
		rc = ERR_NOKEY;
		goto out;
	}
	if (box.len - SEAL_OVERHEAD > out_cap) {
		rc = ERR_SPACE;
		goto out;
	}
	if ((e = ring_open(r, key, buf_slice(&aad), box, out)) != ERR_OK) {
		rc = e;
		goto out;
	}
	*out_len = box.len - SEAL_OVERHEAD;
	rc = ERR_OK;
out:
	buf_clear(&aad);
	return (rc);
}

enum err
seal_key_id(struct slice box, uint8_t id[KEYRING_ID_LEN])
{
	if (box.len < SEAL_OVERHEAD || (uint8_t)box.ptr[0] != VERSION)
		return (ERR_DAMAGED);
	memcpy(id, box.ptr + AT_ID, KEYRING_ID_LEN);
	return (ERR_OK);
}
