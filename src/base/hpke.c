/*
 * RFC 9180 in base mode over the primitives of crypt: the key agreement, the key schedule and the
 * nonces. Serves domain/seal; checked against the RFC's own vectors.  All that is derived on the
 * way is wiped.
 */
#include "base/hpke.h"

#include <string.h>

#include "base/mem.h"

#define KEM_ID       0x0020 /* DHKEM(X25519, HKDF-SHA256) */
#define KDF_ID       0x0001 /* HKDF-SHA256 */
#define MODE_BASE    0x00
#define SECRET_LEN   CRYPT_SHA256_LEN /* Nsecret, and Nh */
#define LABEL_PARTS  4                /* "HPKE-v1", suite_id, label and what it labels */
#define SUITE_ID_MAX 10               /* bytes of the longer kind */

/* "KEM" and "HPKE" ids, which keep the two uses of HKDF apart (RFC 9180 §4.1, §5.1). */
struct suite_id {
	uint8_t bytes[SUITE_ID_MAX];
	size_t len;
};

static const struct slice version_label = SLICE_LIT("HPKE-v1");

static const struct suite_id kem_suite = {{'K', 'E', 'M', KEM_ID >> 8, KEM_ID & 0xff}, 5};

static struct suite_id
hpke_suite(enum hpke_aead aead)
{
	struct suite_id s = {{'H', 'P', 'K', 'E', KEM_ID >> 8, KEM_ID & 0xff, KDF_ID >> 8,
				 KDF_ID & 0xff, (uint8_t)(aead >> 8), (uint8_t)(aead & 0xff)},
	    SUITE_ID_MAX};

	return (s);
}

/* Nk of ${aead}; 0 where we do not do it. */
static size_t
key_len(enum hpke_aead aead)
{
	if (aead == HPKE_AES_128_GCM)
		return (16);
	return (aead == HPKE_AES_256_GCM ? 32 : 0);
}

/* LabeledExtract (RFC 9180 §4). */
static enum err
labeled_extract(const struct suite_id *suite_id, struct slice salt, const char *label,
    struct slice ikm, uint8_t prk[SECRET_LEN])
{
	const struct slice labeled_ikm[LABEL_PARTS] = {
	    version_label, slice_make(suite_id->bytes, suite_id->len), slice_of(label), ikm};

	return (crypt_hkdf_sha256_extract(salt, labeled_ikm, LABEL_PARTS, prk));
}

/* LabeledExpand (RFC 9180 §4). */
static enum err
labeled_expand(const struct suite_id *suite_id, const uint8_t prk[SECRET_LEN], const char *label,
    struct slice info, uint8_t *out, size_t out_len)
{
	const uint8_t len[2] = {(uint8_t)(out_len >> 8), (uint8_t)(out_len & 0xff)};
	const struct slice labeled_info[1 + LABEL_PARTS] = {slice_make(len, sizeof(len)),
	    version_label, slice_make(suite_id->bytes, suite_id->len), slice_of(label), info};

	return (crypt_hkdf_sha256_expand(prk, labeled_info, 1 + LABEL_PARTS, out, out_len));
}

/* ExtractAndExpand (RFC 9180 §4.1), where kem_context is ${enc} and ${pk_r}. */
static enum err
extract_and_expand(const uint8_t dh[CRYPT_X25519_LEN], const uint8_t enc[HPKE_ENC_LEN],
    const uint8_t pk_r[HPKE_KEY_LEN], uint8_t shared_secret[SECRET_LEN])
{
	uint8_t eae_prk[SECRET_LEN], kem_context[HPKE_ENC_LEN + HPKE_KEY_LEN];
	enum err e;

	memcpy(kem_context, enc, HPKE_ENC_LEN);
	memcpy(kem_context + HPKE_ENC_LEN, pk_r, HPKE_KEY_LEN);
	e = labeled_extract(
	    &kem_suite, slice_of(""), "eae_prk", slice_make(dh, CRYPT_X25519_LEN), eae_prk);
	if (e == ERR_OK)
		e = labeled_expand(&kem_suite, eae_prk, "shared_secret",
		    slice_make(kem_context, sizeof(kem_context)), shared_secret, SECRET_LEN);
	mem_wipe(eae_prk, sizeof(eae_prk));
	return (e);
}

/* The key_schedule_context of base mode: mode, hash of the empty psk_id, hash of ${info}. */
static enum err
schedule_context(
    const struct suite_id *suite_id, struct slice info, uint8_t out[1 + 2 * SECRET_LEN])
{
	enum err e;

	out[0] = MODE_BASE;
	e = labeled_extract(suite_id, slice_of(""), "psk_id_hash", slice_of(""), out + 1);
	if (e == ERR_OK)
		e = labeled_extract(
		    suite_id, slice_of(""), "info_hash", info, out + 1 + SECRET_LEN);
	return (e);
}

/* KeySchedule (RFC 9180 §5.1) of base mode: no psk, no exporter. */
static enum err
key_schedule(enum hpke_aead aead, const uint8_t shared_secret[SECRET_LEN], struct slice info,
    struct hpke_context *ctx)
{
	const struct suite_id suite_id = hpke_suite(aead);
	uint8_t secret[SECRET_LEN], context[1 + 2 * SECRET_LEN];
	const struct slice bound = slice_make(context, sizeof(context));
	enum err e;

	e = schedule_context(&suite_id, info, context);
	if (e == ERR_OK)
		e = labeled_extract(&suite_id, slice_make(shared_secret, SECRET_LEN), "secret",
		    slice_of(""), secret);
	if (e == ERR_OK)
		e = labeled_expand(&suite_id, secret, "key", bound, ctx->key, key_len(aead));
	if (e == ERR_OK)
		e = labeled_expand(
		    &suite_id, secret, "base_nonce", bound, ctx->base_nonce, HPKE_NONCE_LEN);
	mem_wipe(secret, sizeof(secret));
	return (e);
}

/* The half that both ends share: the DH of ${sk} and ${pk}, and all that follows from it, into
 * ${ctx}. */
static enum err
setup(enum hpke_aead aead, const uint8_t *sk, const uint8_t *pk, const uint8_t *enc,
    const uint8_t *pk_r, struct slice info, struct hpke_context *ctx)
{
	uint8_t dh[CRYPT_X25519_LEN], shared_secret[SECRET_LEN];
	enum err e;

	memset(ctx, 0, sizeof(*ctx));
	ctx->aead = aead;
	if (key_len(aead) == 0)
		return (ERR_INTERNAL);
	e = crypt_x25519(sk, pk, dh);
	if (e == ERR_OK)
		e = extract_and_expand(dh, enc, pk_r, shared_secret);
	if (e == ERR_OK)
		e = key_schedule(aead, shared_secret, info, ctx);
	mem_wipe(dh, sizeof(dh));
	mem_wipe(shared_secret, sizeof(shared_secret));
	if (e != ERR_OK)
		mem_wipe(ctx, sizeof(*ctx));
	return (e);
}

enum err
hpke_setup_sender(enum hpke_aead aead, const uint8_t pk_r[HPKE_KEY_LEN], const uint8_t *sk_e,
    struct slice info, struct hpke_context *ctx, uint8_t enc[HPKE_ENC_LEN])
{
	uint8_t sk[HPKE_KEY_LEN];
	enum err e;

	memset(ctx, 0, sizeof(*ctx));
	if (sk_e != NULL)
		memcpy(sk, sk_e, sizeof(sk));
	else
		crypt_random(sk, sizeof(sk));
	if ((e = crypt_x25519_base(sk, enc)) == ERR_OK)
		e = setup(aead, sk, pk_r, enc, pk_r, info, ctx);
	mem_wipe(sk, sizeof(sk));
	return (e);
}

enum err
hpke_setup_receiver(enum hpke_aead aead, const uint8_t enc[HPKE_ENC_LEN],
    const uint8_t sk_r[HPKE_KEY_LEN], const uint8_t pk_r[HPKE_KEY_LEN], struct slice info,
    struct hpke_context *ctx)
{
	return (setup(aead, sk_r, enc, enc, pk_r, info, ctx));
}

/* ComputeNonce (RFC 9180 §5.2): base_nonce XOR ${seq}, big-endian at its end. */
static void
compute_nonce(const struct hpke_context *ctx, uint64_t seq, uint8_t nonce[HPKE_NONCE_LEN])
{
	size_t i;

	memcpy(nonce, ctx->base_nonce, HPKE_NONCE_LEN);
	for (i = 0; i < sizeof(seq); i++)
		nonce[HPKE_NONCE_LEN - 1 - i] ^= (uint8_t)(seq >> (8 * i));
}

enum err
hpke_seal(struct hpke_context *ctx, struct slice aad, struct slice pt, uint8_t *ct)
{
	struct slice key = slice_make(ctx->key, key_len(ctx->aead));
	uint8_t nonce[HPKE_NONCE_LEN];
	enum err e;

	if (ctx->seq == UINT64_MAX)
		return (ERR_SPACE);
	compute_nonce(ctx, ctx->seq++, nonce);
	e = crypt_gcm_seal(key, nonce, aad, pt, ct);
	mem_wipe(nonce, sizeof(nonce));
	return (e == ERR_INVALID ? ERR_INTERNAL : e);
}

enum err
hpke_open(
    const struct hpke_context *ctx, uint64_t seq, struct slice aad, struct slice ct, uint8_t *pt)
{
	struct slice key = slice_make(ctx->key, key_len(ctx->aead));
	uint8_t nonce[HPKE_NONCE_LEN];
	enum err e;

	compute_nonce(ctx, seq, nonce);
	e = crypt_gcm_open(key, nonce, aad, ct, pt);
	mem_wipe(nonce, sizeof(nonce));
	return (e == ERR_INVALID ? ERR_INTERNAL : e);
}
