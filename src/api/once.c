/* Idempotency-Key: a request that is sent again is answered again, and done once. */
#include "api/once.h"

#include <string.h>

#include "api/call.h"
#include "api/route.h"
#include "base/crypt.h"

#define KEY_MAX 255 /* characters */

/* Is every byte of ${s} a visible ASCII character? */
static bool
is_visible(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e)
			return (false);
	}
	return (true);
}

void
once_check(struct call *c)
{
	struct slice key = c->in->idempotency_key;

	if (key.ptr == NULL || c->in->idempotency_key_repeated)
		return; /* none; or told already */
	if (key.len < 1 || key.len > KEY_MAX)
		issue_add(&c->issues, "header.Idempotency-Key", ISSUE_LENGTH,
		    "must be 1 to %d characters long, not %zu; a UUID does well", KEY_MAX, key.len);
	else if (!is_visible(key))
		issue_add(&c->issues, "header.Idempotency-Key", ISSUE_FORMAT,
		    "may hold only visible ASCII characters, no spaces; a UUID does well");
}

enum err
once_make(struct call *c, const char *answer, const char *location)
{
	struct slice key = c->in->idempotency_key, parts[3], token;
	enum err e;

	c->once.answer = answer;
	c->once.location = location;
	c->once.is_asked = key.ptr != NULL;
	if (!c->once.is_asked)
		return (ERR_OK);
	if (!apikey_bearer(c->in->authorization, &token))
		return (ERR_INTERNAL);
	if ((e = crypt_hmac_sha256(token, &key, 1, c->once.key_mac)) != ERR_OK)
		return (e);
	parts[0] = slice_of(c->route->name);
	/* a NUL between, so that no other two parts make the same text */
	parts[1] = slice_make("", 1);
	parts[2] = buf_slice(&c->in->body);
	return (crypt_hmac_sha256(token, parts, 3, c->once.mac));
}
