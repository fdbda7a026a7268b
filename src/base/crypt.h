#ifndef BASE_CRYPT_H
#define BASE_CRYPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

#define CRYPT_SHA256_LEN    32 /* bytes of a digest or MAC */
#define CRYPT_X25519_LEN    32 /* bytes of a scalar and of a point */
#define CRYPT_GCM_NONCE_LEN 12
#define CRYPT_GCM_TAG_LEN   16

/**
 * crypt_init():
 * Make libgcrypt ready, with a pool of 64 KiB of locked memory.  Each process calls this once for
 * itself, before anything else of this room and after fork(): a child does not inherit locks.
 * Calling again gives the first call's result.  ERR_NOMEM: the kernel did not lock the pool
 * (RLIMIT_MEMLOCK; systemd's LimitMEMLOCK=).  ERR_INTERNAL: the library is too old, /proc cannot be
 * read, or a parent called this before the fork.
 */
enum err crypt_init(void) MUST_CHECK;

/**
 * crypt_random(out, len):
 * Fill ${out} with ${len} bytes that are strong enough for keys.
 */
void crypt_random(void *out, size_t len);

/**
 * crypt_sha256(s, out), crypt_crc32(s):
 * The SHA-256 digest of ${s}; its CRC-32 (ISO 3309, as in zlib), which protects against slips
 * alone.
 */
void crypt_sha256(struct slice s, uint8_t out[CRYPT_SHA256_LEN]);
uint32_t crypt_crc32(struct slice s);

/**
 * crypt_hmac_sha256(key, parts, nparts, out):
 * The HMAC-SHA256 (RFC 2104), under ${key} of any length, of the ${nparts} slices at ${parts} one
 * after the other.  ERR_NOMEM: the locked pool is used up.  ERR_INTERNAL.
 */
enum err crypt_hmac_sha256(struct slice key, const struct slice parts[], size_t nparts,
    uint8_t out[CRYPT_SHA256_LEN]) MUST_CHECK;

/**
 * crypt_hkdf_sha256_extract(salt, parts, nparts, prk),
 * crypt_hkdf_sha256_expand(prk, parts, nparts, out, out_len):
 * HKDF (RFC 5869 §2.2, §2.3).  The parts, one after the other, are IKM for the first and info for
 * the second, which makes ${out_len} bytes.  The caller wipes ${prk} and ${out}.  ERR_SPACE:
 * ${out_len} is over 255 * 32.  Else as crypt_hmac_sha256(); ${out} is then all zeroes.
 */
enum err crypt_hkdf_sha256_extract(struct slice salt, const struct slice parts[], size_t nparts,
    uint8_t prk[CRYPT_SHA256_LEN]) MUST_CHECK;
enum err crypt_hkdf_sha256_expand(const uint8_t prk[CRYPT_SHA256_LEN], const struct slice parts[],
    size_t nparts, uint8_t *out, size_t out_len) MUST_CHECK;

/**
 * crypt_x25519(scalar, point, out), crypt_x25519_base(scalar, out):
 * X25519 (RFC 7748 §5) of ${scalar} with ${point}, or with the base point: that gives the public
 * key of a private one.  Any 32 random bytes are a private key.  The caller wipes ${out}.
 * ERR_INVALID: the result is all zeroes, so ${point} has low order (RFC 7748 §6.1 asks to refuse
 * it).  ERR_NOMEM: the locked pool is used up.  ERR_INTERNAL.  ${out} is all zeroes wherever this
 * fails.
 */
enum err crypt_x25519(const uint8_t scalar[CRYPT_X25519_LEN], const uint8_t point[CRYPT_X25519_LEN],
    uint8_t out[CRYPT_X25519_LEN]) MUST_CHECK;
enum err crypt_x25519_base(
    const uint8_t scalar[CRYPT_X25519_LEN], uint8_t out[CRYPT_X25519_LEN]) MUST_CHECK;

/**
 * crypt_gcm_seal(key, nonce, aad, plain, out):
 * AES-GCM (NIST SP 800-38D) with a ${key} of 16 or 32 bytes: write the ciphertext of ${plain} and
 * the tag, ${plain}.len + CRYPT_GCM_TAG_LEN bytes in all, to ${out}, which may not overlap
 * ${plain}. A key takes a ${nonce} only once.  ERR_INVALID: another length of key.  ERR_NOMEM: the
 * locked pool is used up.  ERR_INTERNAL.
 */
enum err crypt_gcm_seal(struct slice key, const uint8_t nonce[CRYPT_GCM_NONCE_LEN],
    struct slice aad, struct slice plain, uint8_t *out) MUST_CHECK;

/**
 * crypt_gcm_open(key, nonce, aad, box, out):
 * Undo crypt_gcm_seal(): write ${box}.len - CRYPT_GCM_TAG_LEN bytes to ${out}, and that only where
 * the tag verifies.  The caller wipes ${out}.  ERR_DAMAGED: the tag does not verify, or ${box} is
 * shorter than one.  ERR_INVALID: another length of key.  ERR_NOMEM: no memory.  ERR_INTERNAL.
 */
enum err crypt_gcm_open(struct slice key, const uint8_t nonce[CRYPT_GCM_NONCE_LEN],
    struct slice aad, struct slice box, uint8_t *out) MUST_CHECK;

#endif
