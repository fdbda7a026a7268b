/* crypt against the vectors of its standards, its refusals, and the lock on its memory. */
#include "base/crypt.h"

#include <gcrypt.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"

#define MANY    200  /* more handles than the locked pool can hold */
#define SCALARS 1500 /* more scalars than it can hold */
#define UNUSED  __attribute__((unused))

/* Run ${body} in a child; did it return true? */
static bool
in_child(bool (*body)(void))
{
	int status;
	pid_t pid;

	if ((pid = fork()) == 0)
		_exit(body() ? 0 : 1);
	CHECK("fork", pid > 0);
	CHECK("waitpid", waitpid(pid, &status, 0) == pid);
	return (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool UNUSED
init_without_memlock(void)
{
	const struct rlimit little = {16384, 16384};

	if (setrlimit(RLIMIT_MEMLOCK, &little) != 0)
		return (false);
	/* root may lock what it wants */
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setuid(65534) != 0))
		return (false);
	return (crypt_init() == ERR_NOMEM && crypt_init() == ERR_NOMEM);
}

#ifndef __SANITIZE_ADDRESS__
static bool mlock_lies; /* do as a kernel or a sandbox that says yes and locks nothing */

/* In the place of libc's, for libgcrypt too. */
int
mlock(const void *p, size_t len)
{
	return (mlock_lies ? 0 : (int)syscall(SYS_mlock, p, len));
}

static bool
init_with_false_mlock(void)
{
	mlock_lies = true;
	return (crypt_init() == ERR_NOMEM);
}
#endif

static void
test_init_refused(void **st)
{
	(void)st;
#ifdef __SANITIZE_ADDRESS__ /* its mlock() does nothing, so nothing is refused */
	skip();
#else
	CHECK("RLIMIT_MEMLOCK 16 KiB", in_child(init_without_memlock));
	CHECK("not really locked", in_child(init_with_false_mlock));
#endif
}

static bool
init_fresh_child(void)
{
	return (crypt_init() == ERR_OK);
}

static bool
init_used_child(void)
{
	return (crypt_init() == ERR_INTERNAL);
}

static void
test_init(void **st)
{
	(void)st;
	CHECK("child of a parent that did not", in_child(init_fresh_child));
	CHECK("first", crypt_init() == ERR_OK);
	CHECK("second", crypt_init() == ERR_OK);
	CHECK("child of a parent that did", in_child(init_used_child));
}

/* No pool of libgcrypt's own, which it would stir for each digest. */
static void
test_random_is_the_kernels(void **st)
{
	int type = 0;

	(void)st;
	gcry_control(GCRYCTL_GET_CURRENT_RNG_TYPE, &type);
	CHECK("the kernel's", type == GCRY_RNG_TYPE_SYSTEM);
}

static void
test_random(void **st)
{
	uint8_t a[64], b[64];

	(void)st;
	memset(a, 0x5a, sizeof(a));
	crypt_random(a + 8, 48);
	CHECK("before", bytes_are(a, 8, 0x5a));
	CHECK("behind", bytes_are(a + 56, 8, 0x5a));
	CHECK("last bytes are filled", !bytes_are(a + 48, 8, 0x5a));
	crypt_random(b + 8, 48);
	CHECK("not twice the same", memcmp(a + 8, b + 8, 48) != 0);
}

static void
test_sha256(void **st)
{
	/* FIPS 180-4 examples */
	static const struct {
		const char *name, *text, *digest;
	} rows[] = {
	    {"empty", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	    {"abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	    {"two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	uint8_t out[CRYPT_SHA256_LEN];
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		crypt_sha256(slice_of(rows[i].text), out);
		CHECK(rows[i].name, memcmp(out, bytes_hex(rows[i].digest).b, sizeof(out)) == 0);
	}
	crypt_sha256(slice_of(NULL), out);
	CHECK("absent is empty", memcmp(out, bytes_hex(rows[0].digest).b, sizeof(out)) == 0);
}

static void
test_crc32(void **st)
{
	static const struct {
		const char *text;
		uint32_t crc;
	} rows[] = {{"", 0}, {"123456789", 0xcbf43926}, {"a", 0xe8b7be43}, {"abc", 0x352441c2}};
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].text, crypt_crc32(slice_of(rows[i].text)) == rows[i].crc);
}

static void
test_hmac(void **st)
{
	/* RFC 4231; the message comes in two parts, cut at ${cut} */
	static const struct {
		const char *name, *key, *data, *mac;
		size_t cut;
	} rows[] = {
	    {"case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 0},
	    {"case 2", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 5},
	    {"case 3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddddddddddddddddddddddddddddddddd",
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", 50},
	    {"case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", 1},
	};
	uint8_t out[CRYPT_SHA256_LEN], long_key[131];
	struct bytes key, data;
	struct slice parts[2];
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		key = bytes_hex(rows[i].key);
		data = bytes_hex(rows[i].data);
		parts[0] = slice_make(data.b, rows[i].cut);
		parts[1] = slice_make(data.b + rows[i].cut, data.len - rows[i].cut);
		CHECK(rows[i].name, crypt_hmac_sha256(bytes_slice(&key), parts, 2, out) == ERR_OK);
		CHECK(rows[i].name, memcmp(out, bytes_hex(rows[i].mac).b, sizeof(out)) == 0);
	}
	memset(long_key, 0xaa, sizeof(long_key));
	parts[0] = slice_of("Test Using Larger Than Block-Size Key - Hash Key First");
	data = bytes_hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	CHECK("case 6", crypt_hmac_sha256(slice_make(long_key, 131), parts, 1, out) == ERR_OK);
	CHECK("case 6", memcmp(out, data.b, sizeof(out)) == 0);
}

static void
test_hkdf(void **st)
{
	/* RFC 5869 appendix A */
	static const struct {
		const char *name, *ikm, *salt, *info, *prk, *okm;
	} rows[] = {
	    {"case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
		"f0f1f2f3f4f5f6f7f8f9",
		"077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b8871858"
		"65"},
	    {"case 3", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		"19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96"
		"c8"},
	};
	static uint8_t big[255 * 32 + 1];
	uint8_t prk[CRYPT_SHA256_LEN], out[42];
	struct bytes ikm, salt, info;
	struct slice parts[2];
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		ikm = bytes_hex(rows[i].ikm);
		salt = bytes_hex(rows[i].salt);
		info = bytes_hex(rows[i].info);
		parts[0] = slice_make(ikm.b, 3);
		parts[1] = slice_make(ikm.b + 3, ikm.len - 3);
		CHECK(rows[i].name,
		    crypt_hkdf_sha256_extract(bytes_slice(&salt), parts, 2, prk) == ERR_OK);
		CHECK(rows[i].name, memcmp(prk, bytes_hex(rows[i].prk).b, sizeof(prk)) == 0);
		parts[0] = bytes_slice(&info);
		CHECK(rows[i].name,
		    crypt_hkdf_sha256_expand(prk, parts, 1, out, sizeof(out)) == ERR_OK);
		CHECK(rows[i].name, memcmp(out, bytes_hex(rows[i].okm).b, sizeof(out)) == 0);
	}
	CHECK("most", crypt_hkdf_sha256_expand(prk, parts, 1, big, sizeof(big) - 1) == ERR_OK);
	CHECK("most: as long as the short one begins", memcmp(big, out, sizeof(out)) == 0);
	CHECK("one more", crypt_hkdf_sha256_expand(prk, parts, 1, big, sizeof(big)) == ERR_SPACE);
}

static void
test_x25519(void **st)
{
	/* RFC 7748 §5.2 and §6.1; the second point has its unused top bit set */
	static const struct {
		const char *name, *scalar, *point, *out;
	} rows[] = {
	    {"5.2 first", "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
	    {"5.2 second", "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	    {"6.1 shared", "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	uint8_t out[32], k[32] = {9}, u[32] = {9};
	struct bytes want;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		CHECK(rows[i].name, crypt_x25519(bytes_hex(rows[i].scalar).b,
					bytes_hex(rows[i].point).b, out) == ERR_OK);
		CHECK(rows[i].name, memcmp(out, bytes_hex(rows[i].out).b, sizeof(out)) == 0);
	}
	CHECK("6.1 base", crypt_x25519_base(bytes_hex(rows[2].scalar).b, out) == ERR_OK);
	want = bytes_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	CHECK("6.1 base", memcmp(out, want.b, sizeof(out)) == 0);
	for (i = 0; i < 1000; i++) {
		CHECK("5.2 iterated", crypt_x25519(k, u, out) == ERR_OK);
		memcpy(u, k, 32);
		memcpy(k, out, 32);
	}
	want = bytes_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
	CHECK("5.2 iterated", memcmp(k, want.b, 32) == 0);
}

static void
test_x25519_low_order(void **st)
{
	/* the points of order 1, 2, 4 and 8, canonical and not */
	static const char *const rows[] = {
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "0100000000000000000000000000000000000000000000000000000000000000",
	    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "0000000000000000000000000000000000000000000000000000000000000080",
	};
	uint8_t scalar[32], out[32];
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		crypt_random(scalar, sizeof(scalar));
		memset(out, 0x5a, sizeof(out));
		CHECK(rows[i], crypt_x25519(scalar, bytes_hex(rows[i]).b, out) == ERR_INVALID);
		CHECK(rows[i], bytes_are(out, sizeof(out), 0));
	}
}

static const struct gcm_row {
	const char *name, *key, *nonce, *aad, *plain, *box;
} gcm_rows[] = {
    /* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4, 13 and 16 */
    {"AES-128, case 4", "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	"feedfacedeadbeeffeedfacedeadbeefabaddad2",
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	"21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	"5bc94fbc3221a5db94fae95ae7121a47"},
    {"AES-256, case 13", "0000000000000000000000000000000000000000000000000000000000000000",
	"000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"AES-256, case 16", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	"cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	"76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void
test_gcm(void **st)
{
	const struct gcm_row *row;
	struct bytes key, nonce, aad, plain, box;
	uint8_t out[BYTES_MAX];

	(void)st;
	for (row = gcm_rows; row < gcm_rows + NELEMS(gcm_rows); row++) {
		key = bytes_hex(row->key);
		nonce = bytes_hex(row->nonce);
		aad = bytes_hex(row->aad);
		plain = bytes_hex(row->plain);
		box = bytes_hex(row->box);
		memset(out, 0x5a, sizeof(out));
		CHECK(row->name, crypt_gcm_seal(bytes_slice(&key), nonce.b, bytes_slice(&aad),
				     bytes_slice(&plain), out) == ERR_OK);
		CHECK(row->name, memcmp(out, box.b, box.len) == 0 && out[box.len] == 0x5a);
		memset(out, 0x5a, sizeof(out));
		CHECK(row->name, crypt_gcm_open(bytes_slice(&key), nonce.b, bytes_slice(&aad),
				     bytes_slice(&box), out) == ERR_OK);
		CHECK(row->name, memcmp(out, plain.b, plain.len) == 0 && out[plain.len] == 0x5a);
	}
}

static void
test_gcm_damage(void **st)
{
	const struct gcm_row *row = &gcm_rows[2];
	struct bytes in[4] = {
	    bytes_hex(row->key), bytes_hex(row->nonce), bytes_hex(row->aad), bytes_hex(row->box)};
	static const char *const names[4] = {"key", "nonce", "aad", "box"};
	uint8_t out[BYTES_MAX];
	struct slice box;
	size_t part, bit, len;

	(void)st;
	memset(out, 0x5a, sizeof(out));
	for (part = 0; part < 4; part++) {
		for (bit = 0; bit < 8 * in[part].len; bit++) {
			in[part].b[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CHECK(names[part],
			    crypt_gcm_open(bytes_slice(&in[0]), in[1].b, bytes_slice(&in[2]),
				bytes_slice(&in[3]), out) == ERR_DAMAGED);
			CHECK(names[part], bytes_are(out, sizeof(out), 0x5a));
			in[part].b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	for (len = 0; len < in[3].len; len++) {
		box = slice_make(in[3].b, len);
		CHECK("cut", crypt_gcm_open(bytes_slice(&in[0]), in[1].b, bytes_slice(&in[2]), box,
				 out) == ERR_DAMAGED);
	}
	CHECK("untouched", bytes_are(out, sizeof(out), 0x5a));
}

static void
test_gcm_key_len(void **st)
{
	static const uint8_t key[64], nonce[CRYPT_GCM_NONCE_LEN], box[64];
	struct slice text = slice_make(box, 20);
	uint8_t out[64];
	size_t len;
	enum err want;

	(void)st;
	for (len = 0; len <= sizeof(key); len++) {
		want = len == 16 || len == 32 ? ERR_OK : ERR_INVALID;
		CHECK("seal", crypt_gcm_seal(slice_make(key, len), nonce, text, text, out) == want);
		want = len == 16 || len == 32 ? ERR_DAMAGED : ERR_INVALID;
		CHECK("open", crypt_gcm_open(slice_make(key, len), nonce, text, text, out) == want);
	}
}

/* Each call gives its handle back, on every path: else the pool would soon be used up. */
static void
test_pool(void **st)
{
	static const uint8_t key[32], nonce[CRYPT_GCM_NONCE_LEN], zero[32];
	struct slice k = slice_make(key, 32), text = slice_of("sixteen bytes and some more");
	uint8_t box[64], out[64];
	size_t i;

	(void)st;
	for (i = 0; i < MANY; i++) {
		CHECK("hmac", crypt_hmac_sha256(k, &text, 1, out) == ERR_OK);
		CHECK("seal", crypt_gcm_seal(k, nonce, text, text, box) == ERR_OK);
		CHECK("damaged", crypt_gcm_open(k, nonce, text, text, out) == ERR_DAMAGED);
	}
	for (i = 0; i < SCALARS; i++)
		CHECK("low order", crypt_x25519(key, zero, out) == ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_init_refused), /* before this process has its pool */
	    cmocka_unit_test(test_init),
	    cmocka_unit_test(test_random_is_the_kernels),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_sha256),
	    cmocka_unit_test(test_crc32),
	    cmocka_unit_test(test_hmac),
	    cmocka_unit_test(test_hkdf),
	    cmocka_unit_test(test_x25519),
	    cmocka_unit_test(test_x25519_low_order),
	    cmocka_unit_test(test_gcm),
	    cmocka_unit_test(test_gcm_damage),
	    cmocka_unit_test(test_gcm_key_len),
	    cmocka_unit_test(test_pool),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
