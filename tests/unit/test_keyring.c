/* keyring: keys that are made, the text they are kept in, and every way that text can be wrong. */
#include "domain/keyring.h"

#include <stdio.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "bytes.h"

/* Two key pairs, computed by another X25519; the first is Bob's of RFC 7748 §6.1. */
#define ID1 "f35e5616160a30bf"
#define PK1 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define SK1 "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define ID2 "b9e9db953ead3163"
#define PK2 "11b3e0000467b4766498a2581a645b8d3e2a8a89b2d338e9d2255819fc572f6f"
#define SK2 "77076d0a7318a57d3c16c17251b26645df4b0d4e8d5c1e0a0e0d9a9a3b0b2f2a"
#define T1  "2026-11-24T04:00:00.000Z"
#define T2  "2026-11-24T04:00:00.123Z"

#define PRIVATE "sigsentry-keyring 1 private\n"
#define PUBLIC  "sigsentry-keyring 1 public\n"
#define OLD1    "key " ID1 " " T1 " old " PK1 " " SK1 "\n"
#define ACTIVE1 "key " ID1 " " T1 " active " PK1 " " SK1 "\n"
#define OLD2    "key " ID2 " " T2 " old " PK2 " " SK2 "\n"
#define ACTIVE2 "key " ID2 " " T2 " active " PK2 " " SK2 "\n"
#define PUB1    "key " ID1 " " T1 " old " PK1 "\n"
#define PUB2    "key " ID2 " " T2 " active " PK2 "\n"

static int
setup(void **st)
{
	*st = keyring_new();
	return (*st != NULL ? 0 : -1);
}

static int
teardown(void **st)
{
	keyring_free(*st);
	return (0);
}

static void
test_new(void **st)
{
	struct keyring *ring = *st;

	CHECK("empty", bytes_are(ring, sizeof(*ring), 0));
	CHECK("none active", keyring_active(ring) == NULL);
	CHECK("none found", keyring_find(ring, bytes_hex(ID1).b) == NULL);
	keyring_free(NULL);
}

static void
test_add(void **st)
{
	struct keyring *ring = *st;
	uint8_t digest[CRYPT_SHA256_LEN], pk[KEYRING_KEY_LEN];
	const struct keyring_key *key;
	size_t i, j;

	for (i = 0; i < KEYRING_KEYS_MAX; i++) {
		CHECK("add", keyring_add(ring, (int64_t)(1000 + i)) == ERR_OK);
		CHECK("count", ring->nkeys == i + 1 && ring->has_private);
		key = keyring_active(ring);
		CHECK("the new one is active", key == &ring->keys[i]);
		CHECK("time", key->created_ms == (int64_t)(1000 + i));
		CHECK("base", crypt_x25519_base(key->private_key, pk) == ERR_OK);
		CHECK("a pair", memcmp(pk, key->public_key, sizeof(pk)) == 0);
		crypt_sha256(slice_make(pk, sizeof(pk)), digest);
		CHECK("id", memcmp(digest, key->id, KEYRING_ID_LEN) == 0);
		for (j = 0; j < i; j++) {
			CHECK("the others are old", !ring->keys[j].active);
			CHECK("another key", memcmp(pk, ring->keys[j].public_key, sizeof(pk)) != 0);
		}
		CHECK("found", keyring_find(ring, key->id) == key);
	}
	CHECK("full", keyring_add(ring, 0) == ERR_SPACE);
	CHECK("full", ring->nkeys == KEYRING_KEYS_MAX && ring->keys[KEYRING_KEYS_MAX - 1].active);
}

static void
test_add_next(void **st)
{
	struct keyring *ring = *st;
	const struct keyring_key *first, *next = NULL;

	CHECK("add", keyring_add(ring, 1000) == ERR_OK);
	CHECK("none waits", keyring_next(ring) == NULL);
	/* the clock has gone back */
	CHECK("next", keyring_add_next(ring, 10, &next) == ERR_OK);
	first = &ring->keys[0];
	CHECK("it waits", next == &ring->keys[1] && keyring_next(ring) == next);
	CHECK("made after all others", next->created_ms == 1001);
	CHECK("not active", keyring_active(ring) == first && !next->active);
	CHECK("states", keyring_state(ring, first) == KEYRING_ACTIVE &&
			    keyring_state(ring, next) == KEYRING_NEXT);
	CHECK("words", strcmp(keyring_state_words[KEYRING_NEXT], "next") == 0);
	CHECK("activate", keyring_activate(ring, next->id) == ERR_OK);
	CHECK("one is active", keyring_active(ring) == next && !first->active);
	CHECK("none waits", keyring_next(ring) == NULL);
	CHECK("old", keyring_state(ring, first) == KEYRING_OLD);
	CHECK("no such key", keyring_activate(ring, bytes_hex(ID1).b) == ERR_NOTFOUND);
	CHECK("no such key", keyring_active(ring) == next);
}

/* Whoever knows but "active" and "old" reads a ring with a key that waits. */
/* What is written can be read: no key is given a time that the file has no digits for. */
static void
test_add_next_at_the_end_of_time(void **st)
{
	struct keyring *ring = *st;
	const struct keyring_key *key;

	CHECK("add", keyring_add(ring, INT64_C(253402300799998)) == ERR_OK);
	CHECK("the last", keyring_add_next(ring, 1, &key) == ERR_OK);
	CHECK("the last", key->created_ms == INT64_C(253402300799999));
	CHECK("none behind it", keyring_add_next(ring, 1, &key) == ERR_DENIED && ring->nkeys == 2);
}

static void
test_next_in_the_file(void **st)
{
	struct keyring *ring = *st;
	struct buf out;
	size_t line;

	CHECK("parse", keyring_parse(slice_of(PRIVATE ACTIVE1 OLD2), ring, &line) == ERR_OK);
	CHECK("waits", keyring_next(ring) == &ring->keys[1]);
	buf_init(&out, 4096);
	keyring_print(ring, true, &out);
	CHECK("as it was", slice_eq(buf_slice(&out), slice_of(PRIVATE ACTIVE1 OLD2)));
	buf_clear(&out);
	CHECK("parse", keyring_parse(slice_of(PRIVATE OLD1 ACTIVE2), ring, &line) == ERR_OK);
	CHECK("older", keyring_next(ring) == NULL);
}

static void
test_remove(void **st)
{
	struct keyring *ring = *st;
	size_t line;

	CHECK("parse", keyring_parse(slice_of(PRIVATE OLD1 ACTIVE2), ring, &line) == ERR_OK);
	CHECK("active", keyring_remove(ring, bytes_hex(ID2).b) == ERR_DENIED && ring->nkeys == 2);
	CHECK("remove", keyring_remove(ring, bytes_hex(ID1).b) == ERR_OK);
	CHECK("gone", ring->nkeys == 1 && keyring_find(ring, bytes_hex(ID1).b) == NULL);
	CHECK("wiped", bytes_are(&ring->keys[1], sizeof(ring->keys[1]), 0));
	CHECK("the other stays", keyring_active(ring) == &ring->keys[0]);
	CHECK("private", memcmp(ring->keys[0].private_key, bytes_hex(SK2).b, 32) == 0);
	CHECK("again", keyring_remove(ring, bytes_hex(ID1).b) == ERR_NOTFOUND);
}

static void
test_merge(void **st)
{
	struct keyring *ring = *st, *from = keyring_new();
	size_t added, line;

	CHECK("locked", from != NULL);
	CHECK("parse", keyring_parse(slice_of(PRIVATE OLD1 ACTIVE2), from, &line) == ERR_OK);
	CHECK("into none", keyring_merge(ring, from, &added) == ERR_OK && added == 2);
	CHECK("as it was", memcmp(ring, from, sizeof(*ring)) == 0);
	CHECK("again", keyring_merge(ring, from, &added) == ERR_OK && added == 0);
	CHECK("parse", keyring_parse(slice_of(PRIVATE ACTIVE1), ring, &line) == ERR_OK);
	CHECK("one more", keyring_merge(ring, from, &added) == ERR_OK && added == 1);
	CHECK("active stays", keyring_active(ring) == &ring->keys[0]);
	CHECK("newer waits", keyring_next(ring) == &ring->keys[1]);
	CHECK("public", keyring_parse(slice_of(PUBLIC PUB1 PUB2), from, &line) == ERR_OK);
	CHECK("half a key", keyring_merge(ring, from, &added) == ERR_INVALID && ring->nkeys == 2);
	while (ring->nkeys < KEYRING_KEYS_MAX - 1)
		CHECK("fill", keyring_add(ring, 1) == ERR_OK);
	mem_wipe(from, sizeof(*from));
	CHECK("two", keyring_add(from, 1) == ERR_OK && keyring_add(from, 2) == ERR_OK);
	CHECK("full", keyring_merge(ring, from, &added) == ERR_SPACE);
	CHECK("as it was", ring->nkeys == KEYRING_KEYS_MAX - 1 &&
			       bytes_are(&ring->keys[ring->nkeys], sizeof(ring->keys[0]), 0));
	keyring_free(from);
}

static void
test_parse(void **st)
{
	static const struct {
		const char *name, *text;
		size_t nkeys, active;
		bool has_private;
	} rows[] = {
	    {"one", PRIVATE ACTIVE1, 1, 0, true},
	    {"two", PRIVATE OLD1 ACTIVE2, 2, 1, true},
	    {"first active", PRIVATE ACTIVE1 OLD2, 2, 0, true},
	    {"public", PUBLIC PUB1 PUB2, 2, 1, false},
	    {"comments",
		"# a\n\n#b c\n" PRIVATE "# key of nobody\n   # c\n\n" OLD1 "\n" ACTIVE2 "#\n\n", 2,
		1, true},
	    {"no last newline", PRIVATE OLD1 "key " ID2 " " T2 " active " PK2 " " SK2, 2, 1, true},
	    {"blanks",
		" sigsentry-keyring  1   public \n  key  " ID2 "  " T2 " active   " PK2 " \n", 1, 0,
		false},
	    {"upper-case hex",
		PUBLIC "key F35E5616160A30BF " T1 " active "
		       "DE9EDB7D7B7DC1B4D35B61C2ECE435373F8343C85B78674DADFC7E146F882B4F\n",
		1, 0, false},
	};
	struct keyring *ring = *st;
	size_t i, line;

	for (i = 0; i < NELEMS(rows); i++) {
		memset(ring, 0x5a, sizeof(*ring)); /* whatever was there before */
		CHECK(rows[i].name, keyring_parse(slice_of(rows[i].text), ring, &line) == ERR_OK);
		CHECK(rows[i].name, ring->nkeys == rows[i].nkeys);
		CHECK(rows[i].name, ring->has_private == rows[i].has_private);
		CHECK(rows[i].name, keyring_active(ring) == &ring->keys[rows[i].active]);
	}
}

/* The points of low order of Curve25519, in the forms that their 255 bits can have. */
static void
test_low_order(void **st)
{
	static const struct {
		const char *id, *point;
	} rows[] = {
	    {"66687aadf862bd77",
		"0000000000000000000000000000000000000000000000000000000000000000"},
	    {"01d0fabd251fcbbe",
		"0100000000000000000000000000000000000000000000000000000000000000"},
	    {"f788756107e07d65",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"},
	    {"21686b625ffbb7f0",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"},
	    {"ffe1ea08f3af443b",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	    {"bd6174a7c16e1af0",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	    {"ebcaabd64b0947b6",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	};
	struct keyring *ring = *st;
	char text[512];
	size_t i, line;

	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(text, sizeof(text), PUBLIC PUB2 "key %s " T1 " old %s\n", rows[i].id,
		    rows[i].point);
		CHECK(rows[i].point, keyring_parse(slice_of(text), ring, &line) == ERR_INVALID);
		CHECK(rows[i].point, line == 3);
	}
}

static void
test_parse_values(void **st)
{
	struct keyring *ring = *st;
	size_t line;

	CHECK("parse", keyring_parse(slice_of(PRIVATE OLD1 ACTIVE2), ring, &line) == ERR_OK);
	CHECK("id", memcmp(ring->keys[0].id, bytes_hex(ID1).b, KEYRING_ID_LEN) == 0);
	CHECK("public", memcmp(ring->keys[0].public_key, bytes_hex(PK1).b, 32) == 0);
	CHECK("private", memcmp(ring->keys[1].private_key, bytes_hex(SK2).b, 32) == 0);
	CHECK("time", ring->keys[0].created_ms == 1795492800000);
	CHECK("time", ring->keys[1].created_ms == 1795492800123);
	CHECK("find", keyring_find(ring, bytes_hex(ID2).b) == &ring->keys[1]);
	CHECK("find none", keyring_find(ring, bytes_hex("f35e5616160a30be").b) == NULL);
	CHECK("public", keyring_parse(slice_of(PUBLIC PUB1 PUB2), ring, &line) == ERR_OK);
	CHECK("no private key", bytes_are(ring->keys[0].private_key, 32, 0));
	CHECK("no new key in a public ring", keyring_add(ring, 0) != ERR_OK);
	CHECK("no new key in a public ring", ring->nkeys == 2 && ring->keys[1].active);
}

static void
test_refuse(void **st)
{
	static const struct {
		const char *name, *text;
		size_t line;
	} rows[] = {
	    {"empty", "", 1},
	    {"newline", "\n", 1},
	    {"comment alone", "# x\n# y\n", 2},
	    {"header alone", PRIVATE, 1},
	    {"no header", ACTIVE1, 1},
	    {"header after a key", "#\n" ACTIVE1 PRIVATE, 2},
	    {"two headers", PRIVATE PRIVATE ACTIVE1, 2},
	    {"version 2", "sigsentry-keyring 2 private\n" ACTIVE1, 1},
	    {"version 11", "sigsentry-keyring 11 private\n" ACTIVE1, 1},
	    {"another name", "sigsentry-keyrings 1 private\n" ACTIVE1, 1},
	    {"another kind", "sigsentry-keyring 1 secret\n" ACTIVE1, 1},
	    {"no kind", "sigsentry-keyring 1\n" ACTIVE1, 1},
	    {"header with more", "sigsentry-keyring 1 private x\n" ACTIVE1, 1},
	    {"header in capitals", "sigsentry-keyring 1 Private\n" ACTIVE1, 1},
	    {"CR LF", "sigsentry-keyring 1 private\r\n" ACTIVE1, 1},
	    {"none active", PRIVATE OLD1 OLD2, 3},
	    {"two active", PRIVATE ACTIVE1 ACTIVE2, 3},
	    {"the same key twice", PRIVATE ACTIVE1 OLD1, 3},
	    {"unknown word", PRIVATE ACTIVE1 "keys\n", 3},
	    {"private in a public ring", PUBLIC ACTIVE1, 2},
	    {"public in a private ring", PRIVATE OLD1 "\n" PUB2, 4},
	    {"word too many", PRIVATE "key " ID1 " " T1 " active " PK1 " " SK1 " x\n", 2},
	    {"words too many", PRIVATE "key " ID1 " " T1 " active " PK1 " " SK1 " x y z x y z\n",
		2},
	    {"a comment behind", PRIVATE "key " ID1 " " T1 " active " PK1 " " SK1 " # x\n", 2},
	    {"word missing", PRIVATE "key " ID1 " " T1 " " PK1 " " SK1 "\n", 2},
	    {"neither active nor old", PRIVATE "key " ID1 " " T1 " new " PK1 " " SK1 "\n", 2},
	    {"id of another", PRIVATE "key " ID2 " " T1 " active " PK1 " " SK1 "\n", 2},
	    {"id of another, public", PUBLIC "key " ID2 " " T1 " active " PK1 "\n", 2},
	    {"id too short", PRIVATE "key f35e5616160a30 " T1 " active " PK1 " " SK1 "\n", 2},
	    {"public half of another", PRIVATE "key " ID2 " " T1 " active " PK2 " " SK1 "\n", 2},
	    {"private half of another", PRIVATE "key " ID1 " " T1 " active " PK1 " " SK2 "\n", 2},
	    {"public too long", PUBLIC "key " ID1 " " T1 " active " PK1 "00\n", 2},
	    {"private too short",
		PRIVATE "key " ID1 " " T1 " active " PK1 " "
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0\n",
		2},
	    {"not hex",
		PUBLIC "key " ID1 " " T1 " active "
		       "xe9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f\n",
		2},
	    {"tabs", PUBLIC "key\t" ID1 "\t" T1 "\tactive\t" PK1 "\n", 2},
	    {"a second line wrong", PUBLIC PUB1 PUB2 "key x\n", 4},
	};
	struct keyring *ring = *st;
	size_t i, line;

	for (i = 0; i < NELEMS(rows); i++) {
		memset(ring, 0x5a, sizeof(*ring));
		line = 999;
		CHECK(rows[i].name,
		    keyring_parse(slice_of(rows[i].text), ring, &line) == ERR_INVALID);
		if (line != rows[i].line)
			fail_msg("%s: line %zu", rows[i].name, line);
		CHECK(rows[i].name, bytes_are(ring, sizeof(*ring), 0));
	}
	CHECK("absent", keyring_parse(slice_of(NULL), ring, &line) == ERR_INVALID && line == 1);
}

static void
test_nul(void **st)
{
	static const char text[] = PUBLIC PUB1 "\0" PUB2;
	struct keyring *ring = *st;
	size_t line;

	CHECK("NUL", keyring_parse(slice_make(text, sizeof(text) - 1), ring, &line) == ERR_INVALID);
	CHECK("NUL", line == 3);
}

static void
test_time(void **st)
{
	/* -1: refused */
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
	    {"1970-01-01T00:00:00.000Z", 0},
	    {"1970-01-01T00:00:00.001Z", 1},
	    {"2024-02-29T23:59:59.999Z", 1709251199999},
	    {"9999-12-31T23:59:59.999Z", 253402300799999},
	    {"2023-02-29T00:00:00.000Z", -1},
	    {"2026-02-30T00:00:00.000Z", -1},
	    {"2026-13-01T00:00:00.000Z", -1},
	    {"2026-00-01T00:00:00.000Z", -1},
	    {"2026-01-00T00:00:00.000Z", -1},
	    {"2026-01-32T00:00:00.000Z", -1},
	    {"2026-01-01T24:00:00.000Z", -1},
	    {"2026-01-01T00:60:00.000Z", -1},
	    {"2026-01-01T00:00:60.000Z", -1},
	    {"2026-01-01T00:00:00.00xZ", -1},
	    {"2026-01-01T0x:00:00.000Z", -1},
	    {"2026-01-01T+1:00:00.000Z", -1},
	    {"2026-01-01 00:00:00.000Z", -1},
	    {"2026-01-01T00:00:00.000z", -1},
	    {"2026-01-01t00:00:00.000Z", -1},
	    {"2026-01-01T00:00:00,000Z", -1},
	    {"2026-01-01T00:00:00.000+", -1},
	    {"2026-01-01T00:00:00Z", -1},
	    {"2026-01-01T00:00:00.0000Z", -1},
	    {"2026-01-01T00:00:00.000+00:00", -1},
	    {"1969-12-31T23:59:59.000Z", -1},
	    {"1969-12-31T23:59:59.500Z", -1},
	    {"0000-00-00T00:00:00.000Z", -1},
	    {"-026-01-01T00:00:00.000Z", -1},
	    {"now", -1},
	};
	struct keyring *ring = *st;
	char text[300];
	size_t i, line;
	enum err want;

	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(
		    text, sizeof(text), PUBLIC "key " ID1 " %s active " PK1 "\n", rows[i].text);
		want = rows[i].ms < 0 ? ERR_INVALID : ERR_OK;
		CHECK(rows[i].text, keyring_parse(slice_of(text), ring, &line) == want);
		CHECK(rows[i].text, want != ERR_OK || ring->keys[0].created_ms == rows[i].ms);
	}
}

static void
test_full_file(void **st)
{
	struct keyring *ring = *st;
	struct keyring *more = keyring_new();
	struct buf text;
	size_t i, line;

	CHECK("new", more != NULL);
	for (i = 0; i < KEYRING_KEYS_MAX; i++)
		CHECK("add", keyring_add(ring, (int64_t)i) == ERR_OK);
	buf_init(&text, 65536);
	keyring_print(ring, true, &text);
	CHECK("32 keys", keyring_parse(buf_slice(&text), more, &line) == ERR_OK);
	CHECK("32 keys", memcmp(ring, more, sizeof(*ring)) == 0);
	buf_add(&text, slice_of(OLD1));
	CHECK("33 keys", keyring_parse(buf_slice(&text), more, &line) == ERR_INVALID);
	CHECK("33 keys", line == 34);
	buf_clear(&text);
	keyring_free(more);
}

static void
test_print(void **st)
{
	static const struct {
		const char *name, *text, *want;
		bool with_private;
	} rows[] = {
	    {"private", PRIVATE OLD1 ACTIVE2, PRIVATE OLD1 ACTIVE2, true},
	    {"its public part", PRIVATE OLD1 ACTIVE2, PUBLIC PUB1 PUB2, false},
	    {"public", PUBLIC PUB1 PUB2, PUBLIC PUB1 PUB2, false},
	    {"public has no private part", PUBLIC PUB1 PUB2, PUBLIC PUB1 PUB2, true},
	};
	struct keyring *ring = *st;
	struct buf text;
	size_t i, line;

	for (i = 0; i < NELEMS(rows); i++) {
		CHECK(rows[i].name, keyring_parse(slice_of(rows[i].text), ring, &line) == ERR_OK);
		buf_init(&text, 65536);
		keyring_print(ring, rows[i].with_private, &text);
		CHECK(rows[i].name, buf_ok(&text));
		CHECK(rows[i].name, slice_eq(buf_slice(&text), slice_of(rows[i].want)));
		buf_clear(&text);
	}
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
	    TEST(test_new),
	    TEST(test_add),
	    TEST(test_add_next),
	    TEST(test_add_next_at_the_end_of_time),
	    TEST(test_next_in_the_file),
	    TEST(test_remove),
	    TEST(test_merge),
	    TEST(test_parse),
	    TEST(test_low_order),
	    TEST(test_parse_values),
	    TEST(test_refuse),
	    TEST(test_nul),
	    TEST(test_time),
	    TEST(test_full_file),
	    TEST(test_print),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
