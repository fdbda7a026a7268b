#ifndef DOMAIN_SEAL_H
#define DOMAIN_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/uuid.h"
#include "domain/keyring.h"

/*
 * A sealed value ("box"): HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC
 * 9180). version 1 (1 byte) ‖ key id (8) ‖ enc (32) ‖ seq (8, big-endian) ‖ ciphertext and tag (n +
 * 16) info = "sigsentry channel credential v1"; aad = channel id, type, field name, each led by its
 * length (2 bytes, big-endian), so that no two sets of parts make the same bytes.
 */
#define SEAL_OVERHEAD     (1 + 8 + 32 + 8 + 16)
#define SEAL_PLAIN_MAX    16384 /* bytes of one value */
#define SEAL_CONTEXT_USES 1000  /* seals of one sender context */

/** What a sealed value is bound to. */
struct seal_where {
	const struct uuid *channel;
	const char *type;  /* "slack" */
	const char *field; /* "webhookUrl" */
};

/** A worker's sealing end: one HPKE sender context at a time, for one recipient key. */
struct seal_sender;

/**
 * seal_sender_new(key, context_ms), seal_sender_free(s):
 * Make a sender that seals to the public half of ${key} (copied).  A context lives at most
 * ${context_ms} milliseconds after it was made and SEAL_CONTEXT_USES seals; 0 makes one for each
 * value. NULL: no locked memory.  The free wipes and takes NULL.
 */
struct seal_sender *seal_sender_new(const struct keyring_key *key, int64_t context_ms);
void seal_sender_free(struct seal_sender *s);

/**
 * seal_close(s, now_ms, where, plain, out):
 * Append the box of ${plain} to ${out}.  ${now_ms} is the monotonic clock's.  ERR_SPACE: ${plain}
 * over SEAL_PLAIN_MAX. ERR_INVALID: the recipient key is a low-order point.  ERR_NOMEM.
 * ERR_INTERNAL: the crypto library failed.
 */
enum err seal_close(struct seal_sender *s, int64_t now_ms, const struct seal_where *where,
    struct slice plain, struct buf *out) MUST_CHECK;

/**
 * seal_sender_idle_ms(s, now_ms), seal_sender_expire(s, now_ms):
 * How long until the context must be wiped (-1: there is none); wipe it if its time has come.
 */
int64_t seal_sender_idle_ms(const struct seal_sender *s, int64_t now_ms);
void seal_sender_expire(struct seal_sender *s, int64_t now_ms);

/**
 * seal_sender_id(s):
 * The id of the key that ${s} seals to, KEYRING_ID_LEN bytes that live as long as ${s}.
 */
const uint8_t *seal_sender_id(const struct seal_sender *s);

/** The courier's opening end: the private keyring and a cache of contexts by (key id, enc). */
struct seal_ring;

/**
 * seal_ring_new(ring), seal_ring_free(r):
 * Make the opening end over ${ring} (borrowed; has private keys).  The cache holds at most 256
 * contexts, in locked memory.  NULL: none to be had.
 */
struct seal_ring *seal_ring_new(const struct keyring *ring);
void seal_ring_free(struct seal_ring *r);

/**
 * seal_open(r, where, box, out, out_cap, out_len):
 * Open ${box}, made by seal_close() under the same ${where}, into ${out} (at most ${out_cap} bytes;
 * count in ${out_len}). The caller wipes ${out}.  Never blocks.  ERR_DAMAGED: malformed, or the tag
 * does not verify; ${out} is untouched. ERR_NOKEY: ${r} lacks the key named in ${box}.  ERR_SPACE:
 * ${out_cap} is too small.  ERR_NOMEM.  ERR_INTERNAL.
 */
enum err seal_open(struct seal_ring *r, const struct seal_where *where, struct slice box,
    uint8_t *out, size_t out_cap, size_t *out_len) MUST_CHECK;

/**
 * seal_key_id(box, id):
 * Copy the id of the key that ${box} names.  ERR_DAMAGED: too short, or another version.
 */
enum err seal_key_id(struct slice box, uint8_t id[KEYRING_ID_LEN]) MUST_CHECK;

#endif
