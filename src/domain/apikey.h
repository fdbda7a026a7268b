#ifndef DOMAIN_APIKEY_H
#define DOMAIN_APIKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"
#include "base/text.h"

/*
 * An API key (contract §2): the prefix of its kind, 32 random characters of [0-9A-Za-z] (190.5
 * bits), and the CRC-32 of all that as 6 digits of base 62 (0-9A-Za-z, most significant first).
 */
#define APIKEY_TEXT_SIZE    49 /* the longest, "ss_secret_…", and its NUL */
#define APIKEY_DISPLAY_SIZE 15 /* "ss_secret_AbCd" and its NUL */
#define APIKEY_DIGEST_LEN   CRYPT_SHA256_LEN

enum apikey_kind { APIKEY_PUB = 0, APIKEY_SECRET, APIKEY_ORG, APIKEY__MAX };

/* "pub", "secret", "org". */
extern const char *const apikey_kind_words[APIKEY__MAX];

enum permission {
	PERMISSION_ANALYSIS_CREATE = 0,
	PERMISSION_ANALYSIS_READ,
	PERMISSION_CONFIG_READ,
	PERMISSION_CONFIG_WRITE,
	PERMISSION__MAX
};

/* "analysis:create", "analysis:read", "config:read", "config:write". */
extern const char *const permission_words[PERMISSION__MAX];

/** What a presented token looks like, before the database is asked. */
enum apikey_form {
	APIKEY_FORM_MALFORMED = 0, /* prefix, length, characters or checksum are no key's */
	APIKEY_FORM_DEPRECATED,    /* a legacy form: tb_…, ss_live_… */
	APIKEY_FORM_OK,
	APIKEY_FORM__MAX
};

/** A key as the database knows it. */
struct apikey {
	enum apikey_kind kind;
	uint8_t digest[APIKEY_DIGEST_LEN]; /* SHA-256 of the whole key */
};

/**
 * apikey_parse(token, out):
 * Say what ${token} is; fill ${out} where it is APIKEY_FORM_OK, and only there.
 */
enum apikey_form apikey_parse(struct slice token, struct apikey *out) MUST_CHECK;

/**
 * apikey_generate(kind, text, display, out):
 * Make a key of ${kind}: itself into ${text}, which the caller shows once and wipes; its prefix and
 * first four random characters, by which people tell keys apart, into ${display}; what is stored
 * into ${out}.
 */
void apikey_generate(enum apikey_kind kind, char text[APIKEY_TEXT_SIZE],
    char display[APIKEY_DISPLAY_SIZE], struct apikey *out);

/**
 * apikey_may_carry(kind, p):
 * May a key of ${kind} be given ${p} at all (the table of contract §2)?
 */
bool apikey_may_carry(enum apikey_kind kind, enum permission p);

/**
 * apikey_bearer(header, token):
 * Take ${token} out of ${header}, an Authorization field's value: "Bearer" in any case, one or more
 * blanks, the token (RFC 6750 §2.1).  False: absent, another scheme, or no token.
 */
bool apikey_bearer(struct slice header, struct slice *token);

#endif
