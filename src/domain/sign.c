/*
 * The headers that let a webhook's receiver know who sent a body, and when (contract §5; Standard
 * Webhooks).  Keys live in buffers that are wiped here.
 */
#include "domain/sign.h"

#include <stdio.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"

#define WHSEC      "whsec_"
#define SECRET_MAX 512 /* bytes of an hmacSecret (contract §3) */

/* Begin the next line. */
static struct buf *
line(struct sign_headers *h, const char *name)
{
	struct buf *b = &h->lines[h->count++];

	buf_add(b, slice_of(name));
	buf_add(b, slice_of(": "));
	return (b);
}

/* May ${s} be a header's value: printable ASCII and blanks, but none at the ends? */
static bool
is_value(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
			return (false);
	}
	return (s.len > 0 && s.ptr[0] != ' ' && s.ptr[s.len - 1] != ' ');
}

static enum err
add(struct sign_headers *h, const char *name, struct slice value)
{
	if (!is_value(value))
		return (ERR_INVALID);
	buf_add(line(h, name), value);
	return (ERR_OK);
}

/* ${name}: sha256=<hex> of the body, keyed with the secret as it was given. */
static enum err
add_hex(struct sign_headers *h, const char *name, struct slice secret, struct slice body)
{
	uint8_t mac[CRYPT_SHA256_LEN];
	char hex[2 * CRYPT_SHA256_LEN + 1];
	enum err rc;

	if ((rc = crypt_hmac_sha256(secret, &body, 1, mac)) != ERR_OK)
		return (rc);
	text_hex(mac, sizeof(mac), hex);
	buf_printf(line(h, name), "sha256=%s", hex);
	return (ERR_OK);
}

/* The key that Standard Webhooks means by ${secret}: it, or what it decodes to in ${room}. */
static struct slice
key_of(struct slice secret, uint8_t room[SECRET_MAX])
{
	const struct slice whsec = SLICE_LIT(WHSEC);
	size_t n;

	if (!slice_starts(secret, whsec) || secret.len == whsec.len ||
	    text_unbase64(slice_skip(secret, whsec.len), room, SECRET_MAX, &n) != ERR_OK)
		return (secret);
	return (slice_make(room, n));
}

/* Append "v1,<base64>" of "id.timestamp.body". */
static enum err
put_v1(struct buf *b, const struct sign_input *in, struct slice secret)
{
	uint8_t key[SECRET_MAX], mac[CRYPT_SHA256_LEN];
	char text[TEXT_BASE64_LEN(CRYPT_SHA256_LEN) + 1], stamp[32];
	struct slice parts[3] = {in->delivery_id, {stamp, 0}, in->body};
	enum err rc;

	parts[1].len = (size_t)snprintf(stamp, sizeof(stamp), ".%lld.", (long long)in->timestamp_s);
	rc = crypt_hmac_sha256(key_of(secret, key), parts, 3, mac);
	mem_wipe(key, sizeof(key));
	if (rc != ERR_OK)
		return (rc);
	text_base64(mac, sizeof(mac), text);
	buf_printf(b, "v1,%s", text);
	return (ERR_OK);
}

static enum err
add_signatures(const struct sign_input *in, struct sign_headers *h)
{
	const bool overlaps = in->old_secret.len > 0;
	struct buf *b;
	enum err rc;

	if ((rc = add_hex(h, "X-SigSentry-Signature", in->hmac_secret, in->body)) != ERR_OK)
		return (rc);
	if (overlaps &&
	    (rc = add_hex(h, "X-SigSentry-Signature-Previous", in->old_secret, in->body)) != ERR_OK)
		return (rc);
	b = line(h, "webhook-signature");
	if ((rc = put_v1(b, in, in->hmac_secret)) != ERR_OK || !overlaps)
		return (rc);
	buf_addc(b, ' ');
	return (put_v1(b, in, in->old_secret));
}

enum err
sign_make(const struct sign_input *in, struct sign_headers *out)
{
	enum err rc;
	size_t i;

	out->count = 0;
	for (i = 0; i < SIGN_HEADERS_MAX; i++)
		buf_init(&out->lines[i], SIZE_MAX / 2);
	if ((rc = add(out, "X-SigSentry-Event", in->event)) != ERR_OK ||
	    (rc = add(out, "X-SigSentry-Delivery", in->delivery_id)) != ERR_OK ||
	    (rc = add(out, "webhook-id", in->delivery_id)) != ERR_OK)
		return (rc);
	buf_printf(line(out, "webhook-timestamp"), "%lld", (long long)in->timestamp_s);
	if (in->auth_header.ptr != NULL &&
	    (rc = add(out, "Authorization", in->auth_header)) != ERR_OK)
		return (rc);
	if (in->hmac_secret.len > 0 && (rc = add_signatures(in, out)) != ERR_OK)
		return (rc);
	for (i = 0; i < out->count; i++) {
		if (!buf_ok(&out->lines[i]))
			return (ERR_NOMEM);
	}
	return (ERR_OK);
}

void
sign_clear(struct sign_headers *h)
{
	size_t i;

	for (i = 0; i < SIGN_HEADERS_MAX; i++)
		buf_clear(&h->lines[i]);
	h->count = 0;
}
