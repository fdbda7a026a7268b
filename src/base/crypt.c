/*
 * The only user of libgcrypt: random bytes, digests, HKDF, X25519 and AES-GCM for keys and sealed
 * values. Every handle that sees a secret lies in libgcrypt's locked pool and is closed in the
 * function that opened it: 64 KiB hold about 32 cipher handles, so none is ever kept.
 */
#include "base/crypt.h"

#include <fcntl.h>
#include <gcrypt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define POOL_SIZE      65536    /* bytes of locked memory; a multiple of any page size we meet */
#define GCRYPT_MIN     "1.10.0" /* gcry_ecc_mul_point() as the vectors in the tests have seen it */
#define STATUS_SIZE    8192 /* bytes of /proc/self/status that are looked at; it has about 1,500 */
#define HKDF_PARTS_MAX 8    /* parts of an info, with the two that expand adds */

/* libgcrypt has one state per process, and this is what we know of it. */
static struct {
	pid_t pid; /* who called crypt_init(); 0: nobody yet */
	enum err result;
} state = {0, ERR_INTERNAL};

/* The reason that ${e} stands for; what is not lack of memory is a bug or a broken library. */
static enum err
err_of(gcry_error_t e)
{
	gcry_err_code_t code = gcry_err_code(e);

	if (code == GPG_ERR_NO_ERROR)
		return (ERR_OK);
	return (code == GPG_ERR_ENOMEM ? ERR_NOMEM : ERR_INTERNAL);
}

/* libgcrypt reads from its pointers even where the length is 0. */
static const char *
bytes_of(struct slice s)
{
	return (s.ptr == NULL ? "" : s.ptr);
}

/* How much memory of this process is locked, as the kernel says it. */
static enum err
locked_kib(uint64_t *kib)
{
	char text[STATUS_SIZE];
	struct slice rest, line, word = SLICE_LIT("VmLck:"), unit = SLICE_LIT(" kB");
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC)) < 0)
		return (ERR_INTERNAL);
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0)
		return (ERR_INTERNAL);
	rest = slice_make(text, (size_t)n);
	while (slice_split(&rest, '\n', &line)) {
		if (!slice_starts(line, word) || !slice_ends_nocase(line, unit))
			continue;
		line = slice_skip(line, word.len);
		line.len -= unit.len;
		return (text_u64(slice_trim(line), UINT64_MAX, kib));
	}
	return (ERR_INTERNAL);
}

/*
 * Make the pool and ask the kernel whether it is locked.  libgcrypt works on without the lock,
 * and gcry_is_secure() says yes all the same.
 */
static enum err
pool_make(void)
{
	uint64_t before, after;

	if (locked_kib(&before) != ERR_OK)
		return (ERR_INTERNAL);
	gcry_control(GCRYCTL_DISABLE_SECMEM_WARN);
	if (gcry_control(GCRYCTL_INIT_SECMEM, POOL_SIZE, 0) != 0)
		return (ERR_NOMEM);
	if (locked_kib(&after) != ERR_OK)
		return (ERR_INTERNAL);
#ifndef __SANITIZE_ADDRESS__ /* its mlock() does nothing */
	if (after < before + POOL_SIZE / 1024)
		return (ERR_NOMEM);
#endif
	return (ERR_OK);
}

enum err
crypt_init(void)
{
	pid_t self = getpid();

	if (state.pid == self)
		return (state.result);
	if (state.pid != 0) {
		log_error("crypt.init", LOG_STR("reason", "called before fork"));
		return (ERR_INTERNAL);
	}
	state.pid = self;
	/* The kernel's, and no pool of libgcrypt's own, which it would stir for each number
	 * and digest: eight system calls a create. */
	gcry_control(GCRYCTL_SET_PREFERRED_RNG_TYPE, GCRY_RNG_TYPE_SYSTEM);
	if (gcry_check_version(GCRYPT_MIN) == NULL) {
		log_error("crypt.init", LOG_STR("reason", "libgcrypt is older than " GCRYPT_MIN));
		return (state.result);
	}
	if ((state.result = pool_make()) == ERR_OK)
		gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	else
		log_error("crypt.init", LOG_STR("reason", "no locked memory"),
		    LOG_STR("err", err_word(state.result)));
	return (state.result);
}

void
crypt_random(void *out, size_t len)
{
	gcry_randomize(out, len, GCRY_STRONG_RANDOM);
}

void
crypt_sha256(struct slice s, uint8_t out[CRYPT_SHA256_LEN])
{
	gcry_md_hash_buffer(GCRY_MD_SHA256, out, bytes_of(s), s.len);
}

uint32_t
crypt_crc32(struct slice s)
{
	uint8_t d[4];

	gcry_md_hash_buffer(GCRY_MD_CRC32, d, bytes_of(s), s.len);
	return ((uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3]);
}

enum err
crypt_hmac_sha256(
    struct slice key, const struct slice parts[], size_t nparts, uint8_t out[CRYPT_SHA256_LEN])
{
	enum err rc = ERR_INTERNAL, e;
	gcry_md_hd_t h = NULL;
	const uint8_t *mac;
	size_t i;

	e = err_of(gcry_md_open(&h, GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC | GCRY_MD_FLAG_SECURE));
	if (e != ERR_OK) {
		rc = e;
		goto out;
	}
	if ((e = err_of(gcry_md_setkey(h, bytes_of(key), key.len))) != ERR_OK) {
		rc = e;
		goto out;
	}
	for (i = 0; i < nparts; i++)
		gcry_md_write(h, bytes_of(parts[i]), parts[i].len);
	if ((mac = gcry_md_read(h, GCRY_MD_SHA256)) == NULL)
		goto out;
	memcpy(out, mac, CRYPT_SHA256_LEN);
	rc = ERR_OK;
out:
	gcry_md_close(h); /* wipes; as free(NULL) */
	return (rc);
}

enum err
crypt_hkdf_sha256_extract(
    struct slice salt, const struct slice parts[], size_t nparts, uint8_t prk[CRYPT_SHA256_LEN])
{
	return (crypt_hmac_sha256(salt, parts, nparts, prk));
}

enum err
crypt_hkdf_sha256_expand(const uint8_t prk[CRYPT_SHA256_LEN], const struct slice parts[],
    size_t nparts, uint8_t *out, size_t out_len)
{
	struct slice key = slice_make(prk, CRYPT_SHA256_LEN), chain[HKDF_PARTS_MAX];
	uint8_t t[CRYPT_SHA256_LEN], counter = 0;
	enum err rc = ERR_INTERNAL, e;
	size_t done = 0, n;

	if (out_len > 255 * CRYPT_SHA256_LEN)
		return (ERR_SPACE);
	if (nparts > HKDF_PARTS_MAX - 2)
		goto out;
	/* T(i) = HMAC(PRK, T(i - 1) | info | i), where T(0) is empty. */
	chain[0] = slice_make(t, 0);
	memcpy(chain + 1, parts, nparts * sizeof(parts[0]));
	chain[nparts + 1] = slice_make(&counter, 1);
	while (done < out_len) {
		counter++;
		if ((e = crypt_hmac_sha256(key, chain, nparts + 2, t)) != ERR_OK) {
			rc = e;
			goto out;
		}
		chain[0].len = sizeof(t);
		n = out_len - done < sizeof(t) ? out_len - done : sizeof(t);
		memcpy(out + done, t, n);
		done += n;
	}
	rc = ERR_OK;
out:
	mem_wipe(t, sizeof(t));
	if (rc != ERR_OK)
		mem_wipe(out, out_len);
	return (rc);
}

/* X25519 with ${point}, or with the base point where it is NULL. */
static enum err
x25519(const uint8_t *scalar, const uint8_t *point, uint8_t *out)
{
	static const uint8_t zeroes[CRYPT_X25519_LEN];
	enum err rc = ERR_NOMEM, e;
	uint8_t *k;

	/* libgcrypt keeps its own copies of a scalar from the pool in the pool. */
	if ((k = gcry_malloc_secure(CRYPT_X25519_LEN)) == NULL)
		goto out;
	memcpy(k, scalar, CRYPT_X25519_LEN);
	if ((e = err_of(gcry_ecc_mul_point(GCRY_ECC_CURVE25519, out, k, point))) != ERR_OK) {
		rc = e;
		goto out;
	}
	rc = mem_equal(out, zeroes, CRYPT_X25519_LEN) ? ERR_INVALID : ERR_OK;
out:
	mem_wipe(k, CRYPT_X25519_LEN);
	gcry_free(k);
	if (rc != ERR_OK)
		mem_wipe(out, CRYPT_X25519_LEN);
	return (rc);
}

enum err
crypt_x25519(const uint8_t scalar[CRYPT_X25519_LEN], const uint8_t point[CRYPT_X25519_LEN],
    uint8_t out[CRYPT_X25519_LEN])
{
	return (x25519(scalar, point, out));
}

enum err
crypt_x25519_base(const uint8_t scalar[CRYPT_X25519_LEN], uint8_t out[CRYPT_X25519_LEN])
{
	return (x25519(scalar, NULL, out));
}

/* Open a cipher that has its key, its nonce and the data that is only authenticated. */
static enum err
gcm_start(struct slice key, const uint8_t *nonce, struct slice aad, gcry_cipher_hd_t *out)
{
	int algo = key.len == 16 ? GCRY_CIPHER_AES128 : GCRY_CIPHER_AES256;
	gcry_cipher_hd_t h = NULL;
	gcry_error_t e;

	if (key.len != 16 && key.len != 32)
		return (ERR_INVALID);
	e = gcry_cipher_open(&h, algo, GCRY_CIPHER_MODE_GCM, GCRY_CIPHER_SECURE);
	if (e == 0)
		e = gcry_cipher_setkey(h, key.ptr, key.len);
	if (e == 0)
		e = gcry_cipher_setiv(h, nonce, CRYPT_GCM_NONCE_LEN);
	if (e == 0 && aad.len > 0)
		e = gcry_cipher_authenticate(h, aad.ptr, aad.len);
	if (e != 0) {
		gcry_cipher_close(h);
		return (err_of(e));
	}
	*out = h;
	return (ERR_OK);
}

enum err
crypt_gcm_seal(struct slice key, const uint8_t nonce[CRYPT_GCM_NONCE_LEN], struct slice aad,
    struct slice plain, uint8_t *out)
{
	enum err rc = ERR_INTERNAL, e;
	gcry_cipher_hd_t h = NULL;

	if ((e = gcm_start(key, nonce, aad, &h)) != ERR_OK) {
		rc = e;
		goto out;
	}
	if (plain.len > 0 && gcry_cipher_encrypt(h, out, plain.len, plain.ptr, plain.len) != 0)
		goto out;
	if (gcry_cipher_gettag(h, out + plain.len, CRYPT_GCM_TAG_LEN) != 0)
		goto out;
	rc = ERR_OK;
out:
	gcry_cipher_close(h); /* wipes; as free(NULL) */
	return (rc);
}

enum err
crypt_gcm_open(struct slice key, const uint8_t nonce[CRYPT_GCM_NONCE_LEN], struct slice aad,
    struct slice box, uint8_t *out)
{
	enum err rc = ERR_INTERNAL, e;
	gcry_cipher_hd_t h = NULL;
	uint8_t *plain = NULL;
	size_t len;

	if (box.len < CRYPT_GCM_TAG_LEN)
		return (ERR_DAMAGED);
	len = box.len - CRYPT_GCM_TAG_LEN;
	if ((e = gcm_start(key, nonce, aad, &h)) != ERR_OK) {
		rc = e;
		goto out;
	}
	/* Decrypted beside ${out}, which sees nothing that was not authentic. */
	if ((plain = malloc(len + 1)) == NULL) {
		rc = ERR_NOMEM;
		goto out;
	}
	if (len > 0 && gcry_cipher_decrypt(h, plain, len, box.ptr, len) != 0)
		goto out;
	if (gcry_cipher_checktag(h, box.ptr + len, CRYPT_GCM_TAG_LEN) != 0) {
		rc = ERR_DAMAGED;
		goto out;
	}
	memcpy(out, plain, len);
	rc = ERR_OK;
out:
	gcry_cipher_close(h);
	if (plain != NULL)
		mem_wipe(plain, len);
	free(plain);
	return (rc);
}
