#ifndef DOMAIN_EXCERPT_H
#define DOMAIN_EXCERPT_H

#include <stddef.h>

#include "base/err.h"
#include "base/text.h"

#define EXCERPT_MAX 1024 /* bytes of an excerpt */

/* What stands where something was struck out. */
#define EXCERPT_STRUCK "***"

/**
 * excerpt_make(answer, secrets, nsecrets, out):
 * Write to ${out} the first EXCERPT_MAX bytes of ${answer} in a form that may be kept and shown:
 * valid UTF-8 without controls and marks of direction (white space becomes a blank, all else
 * U+FFFD), NUL-terminated, cut at a character.
 *
 * First every one of ${secrets}, which are the values of a channel's credentials, is struck out,
 * as it stands and URL-, JSON- and base64-encoded (both alphabets, any alignment), also where only
 * its beginning fits into the answer; and so are the parts of it that tell the secret on their
 * own: of a URL all behind the host, whole and by segment and parameter; of an Authorization
 * header what follows the scheme, and the password in Basic's; each address of a list; what
 * follows "whsec_".
 *
 * ERR_NOMEM: ${out} is empty.  Keeps nothing; what it made of the secrets is wiped.
 */
enum err excerpt_make(struct slice answer, const struct slice secrets[], size_t nsecrets,
    char out[EXCERPT_MAX + 1]) MUST_CHECK;

#endif
