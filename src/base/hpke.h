#ifndef BASE_HPKE_H
#define BASE_HPKE_H

#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"
#include "base/text.h"

/*
 * Hybrid public key encryption (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * AES-GCM. Names are the RFC's: (sk_r, pk_r) is the recipient's key pair, sk_e the sender's
 * ephemeral key.
 */
#define HPKE_KEY_LEN      CRYPT_X25519_LEN    /* Nsk and Npk */
#define HPKE_ENC_LEN      CRYPT_X25519_LEN    /* Nenc */
#define HPKE_AEAD_KEY_MAX 32                  /* the greatest Nk */
#define HPKE_NONCE_LEN    CRYPT_GCM_NONCE_LEN /* Nn */
#define HPKE_TAG_LEN      CRYPT_GCM_TAG_LEN   /* Nt */

/* RFC 9180 §7.3.  The product seals with 256 bits; with 128, the RFC's own vectors check us. */
enum hpke_aead { HPKE_AES_128_GCM = 1, HPKE_AES_256_GCM = 2 };

/** What both ends derive (RFC 9180 §5.1).  Secret: the caller has it in locked memory, and wipes.
 */
struct hpke_context {
	enum hpke_aead aead;
	uint8_t key[HPKE_AEAD_KEY_MAX]; /* Nk bytes of it, then zeroes */
	uint8_t base_nonce[HPKE_NONCE_LEN];
	uint64_t seq; /* the sender's next message */
};

/**
 * hpke_setup_sender(aead, pk_r, sk_e, info, ctx, enc):
 * SetupBaseS (RFC 9180 §5.1.1): make ${ctx} for sealing to ${pk_r}, and the ${enc} that the
 * recipient needs.
 * ${sk_e} is the ephemeral private key, for tests; NULL takes a random one.
 * ERR_INVALID: ${pk_r} has low order.  ERR_NOMEM, ERR_INTERNAL: the crypto library failed.  Any
 * failure leaves ${ctx} wiped.
 */
enum err hpke_setup_sender(enum hpke_aead aead, const uint8_t pk_r[HPKE_KEY_LEN],
    const uint8_t *sk_e, struct slice info, struct hpke_context *ctx,
    uint8_t enc[HPKE_ENC_LEN]) MUST_CHECK;

/**
 * hpke_setup_receiver(aead, enc, sk_r, pk_r, info, ctx):
 * SetupBaseR (RFC 9180 §5.1.1): make the ${ctx} that opens what came with ${enc}.  ${pk_r} is the
 * public key of ${sk_r} (taken from the caller, since computing it costs as much as all the rest).
 * Errors as hpke_setup_sender(), with ${enc} for ${pk_r}.
 */
enum err hpke_setup_receiver(enum hpke_aead aead, const uint8_t enc[HPKE_ENC_LEN],
    const uint8_t sk_r[HPKE_KEY_LEN], const uint8_t pk_r[HPKE_KEY_LEN], struct slice info,
    struct hpke_context *ctx) MUST_CHECK;

/**
 * hpke_seal(ctx, aad, pt, ct):
 * ContextS.Seal (RFC 9180 §5.2): write ${pt}.len + HPKE_TAG_LEN bytes to ${ct} under ${ctx}->seq,
 * and step it, so that no nonce is used twice, whether this succeeds or not.  ERR_SPACE: the
 * numbers are used up.  ERR_NOMEM, ERR_INTERNAL.
 */
enum err hpke_seal(
    struct hpke_context *ctx, struct slice aad, struct slice pt, uint8_t *ct) MUST_CHECK;

/**
 * hpke_open(ctx, seq, aad, ct, pt):
 * ContextR.Open (RFC 9180 §5.2) of the message number ${seq}: write ${ct}.len - HPKE_TAG_LEN bytes
 * to ${pt}. The caller wipes ${pt}.  ERR_DAMAGED: does not verify, ${pt} untouched.  ERR_NOMEM,
 * ERR_INTERNAL.
 */
enum err hpke_open(const struct hpke_context *ctx, uint64_t seq, struct slice aad, struct slice ct,
    uint8_t *pt) MUST_CHECK;

#endif
