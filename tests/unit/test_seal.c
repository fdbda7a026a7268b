/* seal: what goes in comes out, only in its place, only with its key; and contexts end when they
 * must. */
#include "domain/seal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hpke.h"
#include "base/mem.h"
#include "bytes.h"

#define INFO       "sigsentry channel credential v1"
#define CONTEXT_MS 60000
#define CACHE      256 /* contexts that a ring keeps */

static const struct uuid channel = {
    {0x01, 0x92, 3, 4, 5, 6, 0x77, 8, 0x99, 10, 11, 12, 13, 14, 15, 16}};
static const struct uuid other_channel = {
    {0x01, 0x92, 3, 4, 5, 6, 0x77, 8, 0x99, 10, 11, 12, 13, 14, 15, 17}};
static const struct seal_where where = {&channel, "slack", "webhookUrl"};

/* Two keys, the second active; a sender for it and a ring. */
struct fixture {
	struct keyring *keys;
	struct seal_sender *sender;
	struct seal_ring *ring;
};

static int
setup(void **st)
{
	static struct fixture f;

	f.keys = keyring_new();
	if (f.keys == NULL || keyring_add(f.keys, 1) != ERR_OK || keyring_add(f.keys, 2) != ERR_OK)
		return (-1);
	f.sender = seal_sender_new(keyring_active(f.keys), CONTEXT_MS);
	f.ring = seal_ring_new(f.keys);
	*st = &f;
	return (f.sender != NULL && f.ring != NULL ? 0 : -1);
}

static int
teardown(void **st)
{
	struct fixture *f = *st;

	seal_sender_free(f->sender);
	seal_ring_free(f->ring);
	keyring_free(f->keys);
	return (0);
}

/* The box of ${plain}, made at ${now_ms}. */
static struct bytes
box_of(struct seal_sender *s, int64_t now_ms, const char *plain)
{
	struct bytes box;
	struct buf b;

	buf_init(&b, BYTES_MAX);
	CHECK(plain, seal_close(s, now_ms, &where, slice_of(plain), &b) == ERR_OK);
	CHECK(plain, b.len == strlen(plain) + SEAL_OVERHEAD);
	memcpy(box.b, b.ptr, b.len);
	box.len = b.len;
	buf_clear(&b);
	return (box);
}

static const uint8_t *
enc_of(const struct bytes *box)
{
	return (box->b + 1 + KEYRING_ID_LEN);
}

static uint64_t
seq_of(const struct bytes *box)
{
	uint64_t seq = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		seq = seq << 8 | box->b[1 + 8 + 32 + i];
	return (seq);
}

/* Open ${box}; see that a failure leaves no mark. */
static enum err
open_box(struct seal_ring *r, const struct seal_where *w, struct slice box, const char *want)
{
	uint8_t out[BYTES_MAX];
	size_t len = 12345;
	enum err e;

	memset(out, 0x5a, sizeof(out));
	e = seal_open(r, w, box, out, sizeof(out), &len);
	if (e == ERR_OK)
		CHECK(want, len == strlen(want) && memcmp(out, want, len) == 0);
	else
		CHECK(want, len == 12345 && bytes_are(out, sizeof(out), 0x5a));
	return (e);
}

static void
test_round_trip(void **st)
{
	static const size_t rows[] = {0, 1, 15, 16, 17, 4096, SEAL_PLAIN_MAX};
	static uint8_t plain[SEAL_PLAIN_MAX + 1], out[SEAL_PLAIN_MAX];
	struct fixture *f = *st;
	char row[64];
	struct buf b;
	size_t i, len;

	memset(plain, 'p', sizeof(plain));
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(row, sizeof(row), "%zu bytes", rows[i]);
		buf_init(&b, SEAL_OVERHEAD + SEAL_PLAIN_MAX);
		CHECK(row,
		    seal_close(f->sender, 0, &where, slice_make(plain, rows[i]), &b) == ERR_OK);
		CHECK(row, b.len == rows[i] + SEAL_OVERHEAD);
		memset(out, 0, sizeof(out));
		CHECK(row, seal_open(f->ring, &where, buf_slice(&b), out, rows[i], &len) == ERR_OK);
		CHECK(row, len == rows[i] && memcmp(out, plain, len) == 0);
		CHECK(row, rows[i] < 15 || memmem(b.ptr, b.len, plain, 8) == NULL);
		buf_clear(&b);
	}
	buf_init(&b, 2 * SEAL_PLAIN_MAX);
	CHECK("too long",
	    seal_close(f->sender, 0, &where, slice_make(plain, sizeof(plain)), &b) == ERR_SPACE);
	CHECK("too long", b.len == 0);
	buf_clear(&b);
}

/* The box is what seal.h says, byte by byte: so another program could open it. */
static void
test_layout(void **st)
{
	struct fixture *f = *st;
	const struct keyring_key *key = keyring_active(f->keys);
	struct bytes box = box_of(f->sender, 0, "hello");
	struct hpke_context ctx;
	uint8_t aad[3 * 2 + 16 + 5 + 10], out[5];

	memcpy(aad, "\x00\x10", 2);
	memcpy(aad + 2, channel.bytes, 16);
	memcpy(aad + 18, "\x00\x05slack\x00\x0awebhookUrl", 19);
	CHECK("version", box.b[0] == 1);
	CHECK("id", memcmp(box.b + 1, key->id, 8) == 0);
	CHECK("seq", seq_of(&box) == 0);
	CHECK("setup", hpke_setup_receiver(HPKE_AES_256_GCM, box.b + 9, key->private_key,
			   key->public_key, slice_of(INFO), &ctx) == ERR_OK);
	CHECK("open", hpke_open(&ctx, 0, slice_make(aad, sizeof(aad)),
			  slice_make(box.b + 49, box.len - 49), out) == ERR_OK);
	CHECK("plain", memcmp(out, "hello", 5) == 0);
}

static void
test_wrong_place(void **st)
{
	/* each seals under slack/webhookUrl; the last ones make the same bytes as it without
	 * lengths */
	static const struct {
		const char *name;
		struct seal_where where;
		enum err want;
	} rows[] = {
	    {"the same", {&channel, "slack", "webhookUrl"}, ERR_OK},
	    {"channel", {&other_channel, "slack", "webhookUrl"}, ERR_DAMAGED},
	    {"type", {&channel, "teams", "webhookUrl"}, ERR_DAMAGED},
	    {"field", {&channel, "slack", "hmacSecret"}, ERR_DAMAGED},
	    {"split earlier", {&channel, "slac", "kwebhookUrl"}, ERR_DAMAGED},
	    {"split later", {&channel, "slackwebhook", "Url"}, ERR_DAMAGED},
	    {"no field", {&channel, "slackwebhookUrl", ""}, ERR_DAMAGED},
	    {"no type", {&channel, "", "slackwebhookUrl"}, ERR_DAMAGED},
	};
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "hello");
	size_t i;

	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].name,
		    open_box(f->ring, &rows[i].where, bytes_slice(&box), "hello") == rows[i].want);
}

static void
test_wrong_key(void **st)
{
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "hello");
	const struct keyring_key *old = &f->keys->keys[0];
	struct seal_sender *to_old;
	struct bytes box_old;

	to_old = seal_sender_new(old, CONTEXT_MS);
	CHECK("sender", to_old != NULL);
	box_old = box_of(to_old, 0, "older");
	seal_sender_free(to_old);
	CHECK("a key that is not active",
	    open_box(f->ring, &where, bytes_slice(&box_old), "older") == ERR_OK);
	CHECK("the active one", open_box(f->ring, &where, bytes_slice(&box), "hello") == ERR_OK);
	memcpy(box.b + 1, old->id, KEYRING_ID_LEN);
	CHECK(
	    "named another", open_box(f->ring, &where, bytes_slice(&box), "hello") == ERR_DAMAGED);
	memcpy(box.b + 1, "unknown!", KEYRING_ID_LEN);
	CHECK("named none", open_box(f->ring, &where, bytes_slice(&box), "hello") == ERR_NOKEY);
}

static void
test_bit_flips(void **st)
{
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "hello");
	size_t bit, at;
	enum err want;
	char row[64];

	for (bit = 0; bit < 8 * box.len; bit++) {
		at = bit / 8;
		snprintf(row, sizeof(row), "bit %zu of byte %zu", bit % 8, at);
		want = at >= 1 && at < 1 + KEYRING_ID_LEN ? ERR_NOKEY : ERR_DAMAGED;
		box.b[at] ^= (uint8_t)(1u << bit % 8);
		CHECK(row, open_box(f->ring, &where, bytes_slice(&box), row) == want);
		box.b[at] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK("as it was", open_box(f->ring, &where, bytes_slice(&box), "hello") == ERR_OK);
}

static void
test_lengths(void **st)
{
	static uint8_t long_box[SEAL_OVERHEAD + SEAL_PLAIN_MAX + 1];
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "hello");
	uint8_t *exact;
	size_t len;
	char row[64];

	for (len = 0; len < box.len; len++) {
		snprintf(row, sizeof(row), "cut to %zu", len);
		exact = malloc(len + 1); /* the sanitizer sees a step over its end */
		CHECK(row, exact != NULL);
		memcpy(exact + 1, box.b, len);
		CHECK(
		    row, open_box(f->ring, &where, slice_make(exact + 1, len), row) == ERR_DAMAGED);
		free(exact);
	}
	CHECK("absent", open_box(f->ring, &where, slice_of(NULL), "absent") == ERR_DAMAGED);
	box.b[box.len] = 0;
	CHECK("one more",
	    open_box(f->ring, &where, slice_make(box.b, box.len + 1), "more") == ERR_DAMAGED);
	memcpy(long_box, box.b, 49);
	CHECK("over the limit", open_box(f->ring, &where, slice_make(long_box, sizeof(long_box)),
				    "long") == ERR_DAMAGED);
}

static void
test_out_cap(void **st)
{
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "hello");
	uint8_t out[6];
	size_t len = 77;

	memset(out, 0x5a, sizeof(out));
	CHECK("4", seal_open(f->ring, &where, bytes_slice(&box), out, 4, &len) == ERR_SPACE);
	CHECK("4: untouched", bytes_are(out, sizeof(out), 0x5a) && len == 77);
	CHECK("5", seal_open(f->ring, &where, bytes_slice(&box), out, 5, &len) == ERR_OK);
	CHECK("5: no more", len == 5 && out[5] == 0x5a);
}

static void
test_out_full(void **st)
{
	struct fixture *f = *st;
	struct buf b;

	buf_init(&b, SEAL_OVERHEAD + 4);
	CHECK(
	    "one byte missing", seal_close(f->sender, 0, &where, slice_of("hello"), &b) != ERR_OK);
	CHECK("nothing by halves", b.len == 0);
	buf_clear(&b);
}

static void
test_sequence(void **st)
{
	static const char *const plain[] = {"zero", "one", "two", "three"};
	struct fixture *f = *st;
	struct bytes box[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		box[i] = box_of(f->sender, 0, plain[i]);
		CHECK(plain[i], seq_of(&box[i]) == i);
		CHECK(plain[i], memcmp(enc_of(&box[i]), enc_of(&box[0]), HPKE_ENC_LEN) == 0);
	}
	for (i = 4; i > 0; i--) /* in any order */
		CHECK(plain[i - 1],
		    open_box(f->ring, &where, bytes_slice(&box[i - 1]), plain[i - 1]) == ERR_OK);
	box[3].b[48] = 2;
	CHECK("another's number",
	    open_box(f->ring, &where, bytes_slice(&box[3]), "three") == ERR_DAMAGED);
}

static void
test_expiry_by_time(void **st)
{
	static const struct {
		const char *name;
		int64_t context_ms, then_ms;
		bool same;
	} rows[] = {
	    {"at once", 60000, 0, true},
	    {"just before", 60000, 59999, true},
	    {"on time", 60000, 60000, false},
	    {"much later", 60000, 9000000, false},
	    {"one for each value", 0, 0, false},
	    {"short", 1, 1, false},
	};
	struct fixture *f = *st;
	struct bytes first, second;
	struct seal_sender *s;
	size_t i;

	for (i = 0; i < NELEMS(rows); i++) {
		s = seal_sender_new(keyring_active(f->keys), rows[i].context_ms);
		CHECK(rows[i].name, s != NULL);
		first = box_of(s, 1000, "first");
		second = box_of(s, 1000 + rows[i].then_ms, "second");
		CHECK(rows[i].name,
		    (memcmp(enc_of(&first), enc_of(&second), HPKE_ENC_LEN) == 0) == rows[i].same);
		CHECK(rows[i].name, seq_of(&second) == (rows[i].same ? 1 : 0));
		CHECK(rows[i].name,
		    open_box(f->ring, &where, bytes_slice(&second), "second") == ERR_OK);
		seal_sender_free(s);
	}
}

static void
test_expiry_by_uses(void **st)
{
	struct fixture *f = *st;
	struct bytes first = box_of(f->sender, 0, "first"), box = first;
	size_t i;

	for (i = 1; i < SEAL_CONTEXT_USES; i++) {
		box = box_of(f->sender, 0, "next");
		CHECK("still the first", memcmp(enc_of(&first), enc_of(&box), HPKE_ENC_LEN) == 0);
	}
	CHECK("last of it", seq_of(&box) == SEAL_CONTEXT_USES - 1);
	box = box_of(f->sender, 0, "new");
	CHECK("new enc", memcmp(enc_of(&first), enc_of(&box), HPKE_ENC_LEN) != 0);
	CHECK("new seq", seq_of(&box) == 0);
}

static void
test_idle(void **st)
{
	static const struct {
		const char *name;
		int64_t now_ms, idle_ms;
	} rows[] = {
	    {"made", 500, 60000},
	    {"later", 30500, 30000},
	    {"last moment", 60499, 1},
	    {"due", 60500, 0},
	    {"overdue", 99999, 0},
	};
	struct fixture *f = *st;
	struct seal_sender *each;
	size_t i;

	CHECK("none yet", seal_sender_idle_ms(f->sender, 500) == -1);
	seal_sender_expire(f->sender, 500);
	(void)box_of(f->sender, 500, "x");
	(void)box_of(f->sender, 700, "using it does not prolong it");
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].name,
		    seal_sender_idle_ms(f->sender, rows[i].now_ms) == rows[i].idle_ms);
	seal_sender_expire(f->sender, 60499);
	CHECK("not yet", seal_sender_idle_ms(f->sender, 60499) == 1);
	seal_sender_expire(f->sender, 60500);
	CHECK("gone", seal_sender_idle_ms(f->sender, 60500) == -1);
	each = seal_sender_new(keyring_active(f->keys), 0);
	CHECK("sender", each != NULL);
	(void)box_of(each, 500, "x");
	CHECK("one for each value stays not", seal_sender_idle_ms(each, 500) == -1);
	seal_sender_free(each);
}

/* Do the locked pages from ${p} on hold ${needle}? */
static bool
pages_hold(const void *p, const uint8_t *needle, size_t len)
{
	unsigned long from, to, at = (unsigned long)(uintptr_t)p, end = 0;
	char line[512];
	FILE *maps;

	CHECK("maps", (maps = fopen("/proc/self/maps", "r")) != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= at && at < to)
			end = to;
	}
	fclose(maps);
	CHECK("mapped", end > at);
	return (memmem(p, end - at, needle, len) != NULL);
}

/* The AEAD key that ${box} was made with. */
static struct bytes
key_of(const struct keyring_key *key, const struct bytes *box)
{
	struct hpke_context ctx;
	struct bytes out;

	CHECK("key_of", hpke_setup_receiver(HPKE_AES_256_GCM, enc_of(box), key->private_key,
			    key->public_key, slice_of(INFO), &ctx) == ERR_OK);
	memcpy(out.b, ctx.key, sizeof(ctx.key));
	out.len = sizeof(ctx.key);
	mem_wipe(&ctx, sizeof(ctx));
	return (out);
}

static void
test_expire_wipes(void **st)
{
	struct fixture *f = *st;
	struct bytes box, key;

	seal_ring_free(f->ring); /* its cache has the same keys */
	f->ring = NULL;
	box = box_of(f->sender, 0, "x");
	key = key_of(keyring_active(f->keys), &box);
	CHECK("there, so that this test can fail", pages_hold(f->sender, key.b, 32));
	seal_sender_expire(f->sender, CONTEXT_MS - 1);
	CHECK("still there", pages_hold(f->sender, key.b, 32));
	seal_sender_expire(f->sender, CONTEXT_MS);
	CHECK("the key is gone", !pages_hold(f->sender, key.b, 32));
	CHECK("the last part of it too", !pages_hold(f->sender, key.b + 24, 8));
}

/* A ring keeps 256 contexts; the one that was not used for longest goes; what fails to open is not
 * kept. */
static void
test_cache(void **st)
{
	static struct bytes box[CACHE + 2], key[3], bad_key;
	struct fixture *f = *st;
	const struct keyring_key *active = keyring_active(f->keys);
	struct seal_sender *each = seal_sender_new(active, 0);
	struct bytes bad;
	size_t i;

	CHECK("sender", each != NULL);
	for (i = 0; i < CACHE + 2; i++)
		box[i] = box_of(each, 0, "x");
	seal_sender_free(each);
	seal_sender_free(f->sender);
	f->sender = NULL;
	for (i = 0; i < 3; i++)
		key[i] = key_of(active, &box[i]);
	for (i = 0; i < CACHE; i++)
		CHECK("open", open_box(f->ring, &where, bytes_slice(&box[i]), "x") == ERR_OK);
	CHECK("full: 0", pages_hold(f->ring, key[0].b, 32));
	CHECK("full: 1", pages_hold(f->ring, key[1].b, 32));
	CHECK("0 again", open_box(f->ring, &where, bytes_slice(&box[0]), "x") == ERR_OK);
	bad = box[CACHE];
	bad.b[bad.len - 1] ^= 1;
	CHECK("bad", open_box(f->ring, &where, bytes_slice(&bad), "x") == ERR_DAMAGED);
	CHECK("a bad box drives none out", pages_hold(f->ring, key[1].b, 32));
	bad_key = key_of(active, &bad);
	CHECK("and leaves no key", !pages_hold(f->ring, bad_key.b, 32));
	CHECK("one more", open_box(f->ring, &where, bytes_slice(&box[CACHE]), "x") == ERR_OK);
	CHECK("0 was used", pages_hold(f->ring, key[0].b, 32));
	CHECK("1 was not", !pages_hold(f->ring, key[1].b, 32));
	CHECK("2 stays", pages_hold(f->ring, key[2].b, 32));
	CHECK("two more", open_box(f->ring, &where, bytes_slice(&box[CACHE + 1]), "x") == ERR_OK);
	CHECK("2 goes next", !pages_hold(f->ring, key[2].b, 32));
	for (i = 0; i < CACHE + 2; i++)
		CHECK("all open still",
		    open_box(f->ring, &where, bytes_slice(&box[i]), "x") == ERR_OK);
}

/* The same enc under two keys is two contexts. */
static void
test_cache_by_key(void **st)
{
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "x"), swapped = box;

	CHECK("cached", open_box(f->ring, &where, bytes_slice(&box), "x") == ERR_OK);
	memcpy(swapped.b + 1, f->keys->keys[0].id, KEYRING_ID_LEN);
	CHECK("not by enc alone",
	    open_box(f->ring, &where, bytes_slice(&swapped), "x") == ERR_DAMAGED);
}

static void
test_low_order(void **st)
{
	struct fixture *f = *st;
	struct keyring_key bad = *keyring_active(f->keys);
	struct bytes box = box_of(f->sender, 0, "x");
	struct seal_sender *s;
	struct buf b;

	memset(bad.public_key, 0, sizeof(bad.public_key));
	CHECK("sender", (s = seal_sender_new(&bad, CONTEXT_MS)) != NULL);
	buf_init(&b, 1000);
	CHECK("public key", seal_close(s, 0, &where, slice_of("x"), &b) == ERR_INVALID);
	CHECK("no box", b.len == 0 && seal_sender_idle_ms(s, 0) == -1);
	buf_clear(&b);
	seal_sender_free(s);
	memset(box.b + 9, 0, HPKE_ENC_LEN);
	CHECK("enc", open_box(f->ring, &where, bytes_slice(&box), "x") == ERR_DAMAGED);
}

static void
test_key_id(void **st)
{
	struct fixture *f = *st;
	struct bytes box = box_of(f->sender, 0, "");
	uint8_t id[KEYRING_ID_LEN];

	CHECK("shortest", seal_key_id(bytes_slice(&box), id) == ERR_OK);
	CHECK("id", memcmp(id, keyring_active(f->keys)->id, sizeof(id)) == 0);
	CHECK("cut", seal_key_id(slice_make(box.b, box.len - 1), id) == ERR_DAMAGED);
	CHECK("absent", seal_key_id(slice_of(NULL), id) == ERR_DAMAGED);
	box.b[0] = 2;
	CHECK("version 2", seal_key_id(bytes_slice(&box), id) == ERR_DAMAGED);
	box.b[0] = 0;
	CHECK("version 0", seal_key_id(bytes_slice(&box), id) == ERR_DAMAGED);
}

/* A sender needs the public half alone. */
static void
test_public_half(void **st)
{
	struct fixture *f = *st;
	struct keyring_key half = *keyring_active(f->keys);
	struct seal_sender *s;
	struct bytes box;

	memset(half.private_key, 0, sizeof(half.private_key));
	CHECK("sender", (s = seal_sender_new(&half, CONTEXT_MS)) != NULL);
	memset(half.public_key, 0, sizeof(half.public_key)); /* it has its own copy */
	box = box_of(s, 0, "x");
	CHECK("open", open_box(f->ring, &where, bytes_slice(&box), "x") == ERR_OK);
	seal_sender_free(s);
	seal_sender_free(NULL);
	seal_ring_free(NULL);
}

static int
group_setup(void **st)
{
	(void)st;
	return (crypt_init() == ERR_OK ? 0 : -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_round_trip),
	    TEST(test_layout),
	    TEST(test_wrong_place),
	    TEST(test_wrong_key),
	    TEST(test_bit_flips),
	    TEST(test_lengths),
	    TEST(test_out_cap),
	    TEST(test_out_full),
	    TEST(test_sequence),
	    TEST(test_expiry_by_time),
	    TEST(test_expiry_by_uses),
	    TEST(test_idle),
	    TEST(test_expire_wipes),
	    TEST(test_cache),
	    TEST(test_cache_by_key),
	    TEST(test_low_order),
	    TEST(test_key_id),
	    TEST(test_public_half),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
