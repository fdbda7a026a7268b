/*
 * What API keys look like and what each kind may carry.  The form alone refuses a mistyped or
 * made-up key, so that guesses cost the database nothing.
 */
#include "domain/apikey.h"

#include <string.h>

#include "base/mem.h"

#define RANDOM_LEN  32 /* characters: 32 * log2(62) = 190.5 bits */
#define CHECK_LEN   6  /* characters; 62^6 is over 2^32 */
#define DISPLAY_LEN 4  /* random characters that may be seen */
#define BASE        62
#define FAIR        (256 / BASE * BASE) /* bytes from here on would favour the first digits */
#define PREFIX_MAX  10                  /* "ss_secret_" */

_Static_assert(PREFIX_MAX + RANDOM_LEN + CHECK_LEN + 1 == APIKEY_TEXT_SIZE, "apikey.h says so");
_Static_assert(PREFIX_MAX + DISPLAY_LEN + 1 == APIKEY_DISPLAY_SIZE, "apikey.h says so");

const char *const apikey_kind_words[APIKEY__MAX] = {"pub", "secret", "org"};

const char *const permission_words[PERMISSION__MAX] = {
    "analysis:create", "analysis:read", "config:read", "config:write"};

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const struct slice prefixes[APIKEY__MAX] = {
    [APIKEY_PUB] = SLICE_LIT("ss_pub_"),
    [APIKEY_SECRET] = SLICE_LIT("ss_secret_"),
    [APIKEY_ORG] = SLICE_LIT("ss_org_"),
};

static const struct slice legacy_prefixes[] = {SLICE_LIT("tb_"), SLICE_LIT("ss_live_")};

static const bool may_carry[APIKEY__MAX][PERMISSION__MAX] = {
    [APIKEY_PUB] = {[PERMISSION_ANALYSIS_CREATE] = true, [PERMISSION_ANALYSIS_READ] = true},
    [APIKEY_SECRET] = {true, true, true, true},
    [APIKEY_ORG] = {true, true, true, true},
};

/* The checksum of ${s} in base 62. */
static void
checksum(struct slice s, char out[CHECK_LEN])
{
	uint32_t crc = crypt_crc32(s);
	size_t i;

	for (i = CHECK_LEN; i > 0; i--) {
		out[i - 1] = alphabet[crc % BASE];
		crc /= BASE;
	}
}

/* Is ${s}, which stands behind the prefix, made of the alphabet alone? */
static bool
is_alnum(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (memchr(alphabet, s.ptr[i], BASE) == NULL)
			return (false);
	}
	return (true);
}

static bool
is_legacy(struct slice token)
{
	size_t i;

	for (i = 0; i < sizeof(legacy_prefixes) / sizeof(legacy_prefixes[0]); i++) {
		if (slice_starts(token, legacy_prefixes[i]))
			return (true);
	}
	return (false);
}

enum apikey_form
apikey_parse(struct slice token, struct apikey *out)
{
	char check[CHECK_LEN];
	struct slice body, covered;
	unsigned int kind;

	if (is_legacy(token))
		return (APIKEY_FORM_DEPRECATED);
	for (kind = 0; kind < APIKEY__MAX; kind++) {
		if (slice_starts(token, prefixes[kind]))
			break;
	}
	if (kind == APIKEY__MAX)
		return (APIKEY_FORM_MALFORMED);
	body = slice_skip(token, prefixes[kind].len);
	if (body.len != RANDOM_LEN + CHECK_LEN || !is_alnum(body))
		return (APIKEY_FORM_MALFORMED);
	covered = slice_make(token.ptr, token.len - CHECK_LEN);
	checksum(covered, check);
	if (!slice_eq(slice_skip(token, covered.len), slice_make(check, CHECK_LEN)))
		return (APIKEY_FORM_MALFORMED);
	out->kind = (enum apikey_kind)kind;
	crypt_sha256(token, out->digest);
	return (APIKEY_FORM_OK);
}

/* Write RANDOM_LEN characters, each as likely as any other. */
static void
random_text(char *out)
{
	uint8_t bytes[2 * RANDOM_LEN];
	size_t i, n = 0;

	while (n < RANDOM_LEN) {
		crypt_random(bytes, sizeof(bytes));
		for (i = 0; i < sizeof(bytes) && n < RANDOM_LEN; i++) {
			if (bytes[i] < FAIR)
				out[n++] = alphabet[bytes[i] % BASE];
		}
	}
	mem_wipe(bytes, sizeof(bytes));
}

void
apikey_generate(enum apikey_kind kind, char text[APIKEY_TEXT_SIZE],
    char display[APIKEY_DISPLAY_SIZE], struct apikey *out)
{
	size_t at = prefixes[kind].len;

	memcpy(text, prefixes[kind].ptr, at);
	random_text(text + at);
	memcpy(display, text, at + DISPLAY_LEN);
	display[at + DISPLAY_LEN] = '\0';
	at += RANDOM_LEN;
	checksum(slice_make(text, at), text + at);
	text[at + CHECK_LEN] = '\0';
	out->kind = kind;
	crypt_sha256(slice_make(text, at + CHECK_LEN), out->digest);
}

bool
apikey_may_carry(enum apikey_kind kind, enum permission p)
{
	return ((unsigned int)kind < APIKEY__MAX && (unsigned int)p < PERMISSION__MAX &&
		may_carry[kind][p]);
}

bool
apikey_bearer(struct slice header, struct slice *token)
{
	static const struct slice scheme = SLICE_LIT("Bearer");
	struct slice rest = slice_skip(header, scheme.len);

	if (!slice_eq_nocase(slice_make(header.ptr, header.len - rest.len), scheme))
		return (false);
	if (rest.len == 0 || rest.ptr[0] != ' ')
		return (false);
	while (rest.len > 0 && rest.ptr[0] == ' ')
		rest = slice_skip(rest, 1);
	*token = rest;
	return (rest.len > 0);
}
