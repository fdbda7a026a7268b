/* sign: which headers a delivery bears, with which secrets; signatures as another maker has them.
 */
#include "domain/sign.h"

#include <string.h>

#include "base/crypt.h"
#include "check.h"

#define ID    "0199aaaa-0000-7000-8000-000000000004"
#define BODY  "{\"a\":1}"
#define WHSEC "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

#define ALWAYS                                                                                \
	"X-SigSentry-Event: analysis.complete\nX-SigSentry-Delivery: " ID "\nwebhook-id: " ID \
	"\nwebhook-timestamp: 1795454400\n"

/* Computed with Python's hmac. */
#define HEX_PLAIN "sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494"
#define V1_PLAIN  "v1,M9di0Jt8nCQ0zE8Nri7IOGsJi2++4RoVK4GqlDItLGA="
#define HEX_WHSEC "sha256=0644de49523cf2c6c385a72deab74a857df1aa5a4539f5b8fceeab5813730bc7"
#define V1_WHSEC  "v1,vWSBw6Qkay/TIqcvZtnNrHiEK0DdGMqd4br0MfzzOsg="

static const struct {
	const char *auth, *secret, *old;
	const char *want;
} rows[] = {
    {NULL, NULL, NULL, ALWAYS},
    {NULL, "", "", ALWAYS},
    {"Bearer x y", NULL, NULL, ALWAYS "Authorization: Bearer x y\n"},
    {NULL, "secret", NULL,
	ALWAYS "X-SigSentry-Signature: " HEX_PLAIN "\nwebhook-signature: " V1_PLAIN "\n"},
    {"a", WHSEC, NULL,
	ALWAYS "Authorization: a\nX-SigSentry-Signature: " HEX_WHSEC
	       "\nwebhook-signature: " V1_WHSEC "\n"},
    {NULL, WHSEC, "secret",
	ALWAYS "X-SigSentry-Signature: " HEX_WHSEC "\nX-SigSentry-Signature-Previous: " HEX_PLAIN
	       "\nwebhook-signature: " V1_WHSEC " " V1_PLAIN "\n"},
    {NULL, "secret", WHSEC,
	ALWAYS "X-SigSentry-Signature: " HEX_PLAIN "\nX-SigSentry-Signature-Previous: " HEX_WHSEC
	       "\nwebhook-signature: " V1_PLAIN " " V1_WHSEC "\n"},
    /* the secret was removed: the old one does not live on alone */
    {NULL, NULL, "secret", ALWAYS},
};

static struct sign_input
input(void)
{
	struct sign_input in = {.event = slice_of("analysis.complete"),
	    .delivery_id = slice_of(ID),
	    .timestamp_s = 1795454400,
	    .body = slice_of(BODY)};

	return (in);
}

static void
join(const struct sign_headers *h, struct buf *b)
{
	size_t i;

	buf_reset(b);
	for (i = 0; i < h->count; i++) {
		buf_add(b, buf_slice(&h->lines[i]));
		buf_addc(b, '\n');
	}
}

static void
test_rows(void **state)
{
	struct sign_input in = input();
	struct sign_headers h;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 4000);
	for (i = 0; i < NELEMS(rows); i++) {
		in.auth_header = slice_of(rows[i].auth);
		in.hmac_secret = slice_of(rows[i].secret);
		in.old_secret = slice_of(rows[i].old);
		assert_int_equal(sign_make(&in, &h), ERR_OK);
		join(&h, &b);
		assert_string_equal(buf_str(&b), rows[i].want);
		sign_clear(&h);
		assert_int_equal(h.count, 0);
	}
	buf_clear(&b);
}

/* What is decoded, and what only looks as if it should be. */
static void
test_whsec(void **state)
{
	static const char *const cases[][2] = {
	    {"whsec_", "v1,P7IEsbgxfrLnxZSdU+aw3fmraDBxJ50Vszzk6zydTSE="},
	    {"whsec_a*b", "v1,r8ho5JnRaUv2XAQCuQJWyOqiQoqwh9Uvedmmg9/Cj/M="},
	    {"WHSEC_Zg==", "v1,hgjsfF98H87BDkglOzdmZpjHFSC1Z1B17t/XTcDvWbQ="},
	    {"whsec_Zg==", "v1,VF4VZFmNkZvtAh9wYN7F0vedx900LB7Kx4nQCwB9gxA="},
	    {"whsec_Zg", "v1,VF4VZFmNkZvtAh9wYN7F0vedx900LB7Kx4nQCwB9gxA="},
	};
	struct sign_input in = input();
	struct sign_headers h;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(cases); i++) {
		in.hmac_secret = slice_of(cases[i][0]);
		assert_int_equal(sign_make(&in, &h), ERR_OK);
		assert_int_equal(h.count, 6);
		CHECK(
		    cases[i][0], slice_ends_nocase(buf_slice(&h.lines[5]), slice_of(cases[i][1])));
		sign_clear(&h);
	}
}

/* The longest secret that a channel can have, in both forms. */
static void
test_longest(void **state)
{
	struct sign_input in = input();
	struct sign_headers h;
	char secret[512];
	size_t len;

	(void)state;
	memset(secret, 'A', sizeof(secret));
	memcpy(secret, "whsec_", 6);
	for (len = 509; len <= 512; len++) {
		in.hmac_secret = in.old_secret = slice_make(secret, len);
		assert_int_equal(sign_make(&in, &h), ERR_OK);
		assert_int_equal(h.count, 7);
		sign_clear(&h);
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {
	    "", "a\r\nX: y", "a\n", " a", "a ", "\xc3\xa9", "a\x7f", "a\tb"};
	struct sign_input in;
	struct sign_headers h;
	size_t i, which;

	(void)state;
	for (i = 0; i < NELEMS(bad); i++) {
		for (which = 0; which < 3; which++) {
			in = input();
			in.auth_header = slice_of("x");
			*(which == 0     ? &in.event
			    : which == 1 ? &in.delivery_id
					 : &in.auth_header) = slice_of(bad[i]);
			CHECK(bad[i], sign_make(&in, &h) == ERR_INVALID);
			sign_clear(&h);
		}
	}
}

static int
setup(void **state)
{
	(void)state;
	return (crypt_init() == ERR_OK ? 0 : -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_whsec),
	    cmocka_unit_test(test_longest),
	    cmocka_unit_test(test_refused),
	};

	return (cmocka_run_group_tests(tests, setup, NULL));
}
