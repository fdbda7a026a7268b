#ifndef BASE_URL_H
#define BASE_URL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#define URL_MAX      2048 /* bytes of a URL */
#define URL_HOST_MAX 256  /* bytes of a host and its NUL */

/** Why a URL was refused. */
enum url_fault {
	URL_FINE = 0,
	URL_LENGTH,   /* empty, or over URL_MAX bytes */
	URL_BYTES,    /* a byte outside 0x21–0x7E, or a backslash */
	URL_SYNTAX,   /* no URL at all */
	URL_SCHEME,   /* not https */
	URL_USERINFO, /* user or password, even empty ones ("https://@host") */
	URL_FRAGMENT, /* '#', even with nothing behind it */
	URL_HOST,     /* empty or malformed host; an IPv6 literal with a zone */
	URL_PORT,     /* port 0, or no number up to 65535 */
	URL__MAX
};

/* What is wrong, for a person: "must begin with https://", … */
extern const char *const url_fault_words[URL__MAX];

/** An https URL that passed the checks. */
struct url {
	char
	    host[URL_HOST_MAX]; /* lower case, without brackets and a trailing dot; numeric IPv4 of
				   any spelling (0x7f.1, 2130706433, 0177.0.0.1) as a dotted quad */
	uint16_t port;          /* 443 where none was given */
	struct slice path;  /* as sent, from the first '/'; "/" where there was none. Borrows the
			       parsed text */
	struct slice query; /* as sent, without '?'; absent where there was none. Borrows too */
};

/**
 * url_parse(text, out, fault):
 * Check ${text} by the byte rules of the contract (§3) and libcurl's parser, and take it apart.
 * ${out} borrows ${text}.  ERR_INVALID: ${fault} says why.  ERR_NOMEM.
 */
enum err url_parse(struct slice text, struct url *out, enum url_fault *fault) MUST_CHECK;

/**
 * url_unescape(a, s):
 * A copy of ${s} in ${a} with %XX decoded (RFC 3986 §2.1); a '%' without two digits stays.  Absent:
 * no memory.
 */
struct slice url_unescape(struct arena *a, struct slice s);

#endif
