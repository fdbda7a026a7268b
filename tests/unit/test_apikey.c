/* apikey: the form of keys against another implementation's, the table of who may carry what, the
 * header. */
#include "domain/apikey.h"

#include <stdio.h>

#include "bytes.h"

#define DRAWS 2000 /* keys; 64,000 random characters */

/* Made with zlib and hashlib. */
static const struct {
	const char *key;
	enum apikey_kind kind;
	const char *digest;
} good[] = {
    {"ss_pub_000000000000000000000000000000002gmXrU", APIKEY_PUB,
	"f2c4eec892512f8aad92f103e449ed018e668500725cb0645a1fa9a64ceb82a1"},
    {"ss_pub_0123456789ABCDEFGHIJKLMNOPQRSTUV213nLv", APIKEY_PUB,
	"c664f1054ac7b3e92f8629e40367e65a34cd2c943cf42f3e19e9b2e79092f09a"},
    {"ss_secret_0123456789ABCDEFGHIJKLMNOPQRSTUV2rNq9c", APIKEY_SECRET,
	"ccfc3558caa98143dbe8379d412d4d7a10a09f9e5c99ca5a5ff1e4997d7ef470"},
    {"ss_secret_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz105taf", APIKEY_SECRET,
	"8aea70f375928e35384fbbf3e44227db3967fc326dcb1d5bbec684dbc9e76c1e"},
    {"ss_org_0123456789ABCDEFGHIJKLMNOPQRSTUV0PmzdF", APIKEY_ORG,
	"9a5318d9c081ce6fa0146ab8f54e288d5be86ad5bdd6bb3e7a1a2a9bcbe30138"},
    {"ss_org_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz3Rj52K", APIKEY_ORG,
	"72289aa5ddb2224960e8e1acf84deb7be70f3d941943efabe9ac6db88a6e06f0"},
};

static void
test_good(void **st)
{
	struct apikey key;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(good); i++) {
		CHECK(good[i].key, apikey_parse(slice_of(good[i].key), &key) == APIKEY_FORM_OK);
		CHECK(good[i].key, key.kind == good[i].kind);
		CHECK(good[i].key, memcmp(key.digest, bytes_hex(good[i].digest).b, 32) == 0);
	}
}

static void
test_bad(void **st)
{
	static const struct {
		const char *token;
		enum apikey_form want;
	} rows[] = {
	    {"", APIKEY_FORM_MALFORMED},
	    {"ss_", APIKEY_FORM_MALFORMED},
	    {"ss_secret_", APIKEY_FORM_MALFORMED},
	    {"ss_secret", APIKEY_FORM_MALFORMED},
	    {"hello", APIKEY_FORM_MALFORMED},
	    {"SS_pub_000000000000000000000000000000002gmXrU", APIKEY_FORM_MALFORMED},
	    {"ss_pub_00000000000000000000000000000000", APIKEY_FORM_MALFORMED},
	    {"ss_pub_000000000000000000000000000000002gmXrU ", APIKEY_FORM_MALFORMED},
	    {" ss_pub_000000000000000000000000000000002gmXrU", APIKEY_FORM_MALFORMED},
	    {"ss_org_000000000000000000000000000000002gmXrU", APIKEY_FORM_MALFORMED},
	    {"ss_test_00000000000000000000000000000000000000", APIKEY_FORM_MALFORMED},
	    {"ss_pub_0000000000000000000000000000000-2gmXrU", APIKEY_FORM_MALFORMED},
	    {"ss_pub_"
	     "000000000000000000000000000000\xc3\xa9"
	     "2gmXrU",
		APIKEY_FORM_MALFORMED},
	    /* with the checksum that fits */
	    {"ss_pub_0000000000000000000000000000000-"
	     "4QdT4j",
		APIKEY_FORM_MALFORMED},
	    {"ss_pub_0000000000000000000000000000000 "
	     "2cjVGe",
		APIKEY_FORM_MALFORMED},
	    {"ss_org__0000000000000000000000000000000"
	     "4eXiKX",
		APIKEY_FORM_MALFORMED},
	    {"ss_pub_0000000000000000000000000000000"
	     "13ICwU",
		APIKEY_FORM_MALFORMED},
	    {"ss_pub_000000000000000000000000000000000"
	     "2fk3hi",
		APIKEY_FORM_MALFORMED},
	    {"ss_test_00000000000000000000000000000000"
	     "0KXdtw",
		APIKEY_FORM_MALFORMED},
	    {"ss_secret00000000000000000000000000000000"
	     "1SswtK",
		APIKEY_FORM_MALFORMED},
	    {"tb_0123456789", APIKEY_FORM_DEPRECATED},
	    {"tb_live_x", APIKEY_FORM_DEPRECATED},
	    {"ss_live_0123456789abcdef", APIKEY_FORM_DEPRECATED},
	    {"TB_0123456789", APIKEY_FORM_MALFORMED},
	    {"tb-0123456789", APIKEY_FORM_MALFORMED},
	    {"ss_lives_0123456789", APIKEY_FORM_MALFORMED},
	};
	struct apikey key;
	size_t i;

	(void)st;
	memset(&key, 0x5a, sizeof(key));
	for (i = 0; i < NELEMS(rows); i++) {
		CHECK(rows[i].token, apikey_parse(slice_of(rows[i].token), &key) == rows[i].want);
		CHECK(rows[i].token, bytes_are(&key, sizeof(key), 0x5a));
	}
	CHECK("absent", apikey_parse(slice_of(NULL), &key) == APIKEY_FORM_MALFORMED);
}

/* Any one character changed, dropped or doubled, any two neighbours swapped, a NUL: no key is left.
 */
static void
test_slips(void **st)
{
	const char *key = good[2].key;
	const size_t len = strlen(key);
	struct apikey out;
	char text[64];
	size_t i;
	int c;

	(void)st;
	for (i = 0; i < len; i++) {
		for (c = 0; c < 256; c++) {
			memcpy(text, key, len);
			text[i] = (char)c;
			CHECK(key, (c == (uint8_t)key[i]) == (apikey_parse(slice_make(text, len),
								  &out) == APIKEY_FORM_OK));
		}
		memcpy(text, key, i);
		memcpy(text + i, key + i + 1, len - i - 1);
		CHECK("dropped",
		    apikey_parse(slice_make(text, len - 1), &out) == APIKEY_FORM_MALFORMED);
		memcpy(text, key, i + 1);
		memcpy(text + i + 1, key + i, len - i);
		CHECK("doubled",
		    apikey_parse(slice_make(text, len + 1), &out) == APIKEY_FORM_MALFORMED);
		memcpy(text, key, len);
		if (i + 1 < len && key[i] != key[i + 1]) {
			text[i] = key[i + 1];
			text[i + 1] = key[i];
			CHECK("swapped",
			    apikey_parse(slice_make(text, len), &out) == APIKEY_FORM_MALFORMED);
		}
	}
}

static void
test_generate(void **st)
{
	static const char *const prefixes[APIKEY__MAX] = {"ss_pub_", "ss_secret_", "ss_org_"};
	char text[2][APIKEY_TEXT_SIZE], display[APIKEY_DISPLAY_SIZE];
	struct apikey made, parsed;
	unsigned int kind;
	const char *row;

	(void)st;
	for (kind = 0; kind < APIKEY__MAX; kind++) {
		row = apikey_kind_words[kind];
		memset(text, 'x', sizeof(text));
		apikey_generate((enum apikey_kind)kind, text[0], display, &made);
		CHECK(row, strlen(text[0]) == strlen(prefixes[kind]) + 38);
		CHECK(row, strncmp(text[0], prefixes[kind], strlen(prefixes[kind])) == 0);
		CHECK(row, apikey_parse(slice_of(text[0]), &parsed) == APIKEY_FORM_OK);
		CHECK(row, parsed.kind == kind && made.kind == kind);
		CHECK(row, memcmp(parsed.digest, made.digest, APIKEY_DIGEST_LEN) == 0);
		CHECK(row, strlen(display) == strlen(prefixes[kind]) + 4);
		CHECK(row, strncmp(display, text[0], strlen(display)) == 0);
		apikey_generate((enum apikey_kind)kind, text[1], display, &made);
		CHECK(row, strcmp(text[0], text[1]) != 0);
	}
}

/*
 * A byte taken modulo 62 would make '0'…'7' a quarter likelier than the rest: 15.6 % of all instead
 * of 12.9 %. Each limit is over eight standard deviations away, so chance does not fail this.
 */
static void
test_unbiased(void **st)
{
	char text[APIKEY_TEXT_SIZE], display[APIKEY_DISPLAY_SIZE];
	size_t count[256] = {0}, i, j, first = 0;
	struct apikey key;

	(void)st;
	for (i = 0; i < DRAWS; i++) {
		apikey_generate(APIKEY_ORG, text, display, &key);
		for (j = 0; j < 32; j++)
			count[(uint8_t)text[7 + j]]++;
	}
	for (i = 0; i < 256; i++) {
		if ((i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') || (i >= 'a' && i <= 'z'))
			CHECK("each about 1,032 times", count[i] > 750 && count[i] < 1320);
		else
			CHECK("no other character", count[i] == 0);
	}
	for (i = '0'; i <= '7'; i++)
		first += count[i];
	CHECK("first digits are no likelier", first < 9000);
}

static void
test_may_carry(void **st)
{
	/* contract §2: create, read, config:read, config:write */
	static const bool want[APIKEY__MAX][PERMISSION__MAX] = {
	    {true, true, false, false}, {true, true, true, true}, {true, true, true, true}};
	unsigned int kind, p;

	(void)st;
	for (kind = 0; kind < APIKEY__MAX; kind++) {
		for (p = 0; p < PERMISSION__MAX; p++)
			CHECK(permission_words[p], apikey_may_carry((enum apikey_kind)kind,
						       (enum permission)p) == want[kind][p]);
	}
	CHECK("no kind", !apikey_may_carry(APIKEY__MAX, PERMISSION_ANALYSIS_READ));
	CHECK("no permission", !apikey_may_carry(APIKEY_ORG, PERMISSION__MAX));
}

static void
test_words(void **st)
{
	(void)st;
	assert_string_equal(apikey_kind_words[APIKEY_PUB], "pub");
	assert_string_equal(apikey_kind_words[APIKEY_SECRET], "secret");
	assert_string_equal(apikey_kind_words[APIKEY_ORG], "org");
	assert_string_equal(permission_words[PERMISSION_ANALYSIS_CREATE], "analysis:create");
	assert_string_equal(permission_words[PERMISSION_ANALYSIS_READ], "analysis:read");
	assert_string_equal(permission_words[PERMISSION_CONFIG_READ], "config:read");
	assert_string_equal(permission_words[PERMISSION_CONFIG_WRITE], "config:write");
}

static void
test_bearer(void **st)
{
	static const struct {
		const char *header, *token; /* NULL: refused */
	} rows[] = {
	    {"Bearer abc", "abc"},
	    {"bearer abc", "abc"},
	    {"BEARER abc", "abc"},
	    {"bEaReR    abc", "abc"},
	    {"Bearer a b", "a b"}, /* no key has a blank: its form refuses it */
	    {"Bearer", NULL},
	    {"Bearer ", NULL},
	    {"Bearer   ", NULL},
	    {"Bearerabc", NULL},
	    {"Bearer\tabc", NULL},
	    {"Bearer:abc", NULL},
	    {"Basic YTpi", NULL},
	    {"Beare abc", NULL},
	    {"Bearers abc", NULL},
	    {"abc", NULL},
	    {"", NULL},
	    {" Bearer abc", NULL},
	    {NULL, NULL},
	};
	struct slice token;
	const char *row;
	size_t i;
	bool got;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].header == NULL ? "absent" : rows[i].header;
		got = apikey_bearer(slice_of(rows[i].header), &token);
		CHECK(row, got == (rows[i].token != NULL));
		CHECK(row, !got || slice_eq(token, slice_of(rows[i].token)));
	}
}

static int
group_setup(void **st)
{
	(void)st;
	return (crypt_init() == ERR_OK ? 0 : -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_slips),
	    cmocka_unit_test(test_generate),
	    cmocka_unit_test(test_unbiased),
	    cmocka_unit_test(test_may_carry),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_bearer),
	};

	return (cmocka_run_group_tests(tests, group_setup, NULL));
}
