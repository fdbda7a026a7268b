/*
 * The recipient keys of an installation and the text they are kept in.  Serves seal (which key),
 * keyfile (which bytes) and sigsentryctl.  Keys come straight from the text into the ring, which is
 * locked memory.
 */
#include "domain/keyring.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"

#define CREATED_MAX_MS INT64_C(253402300799999) /* the last that the file can say: year 9999 */

#define WORDS_MAX 7 /* words of a line that are looked at; the longest has 6 */

const char *const keyring_state_words[KEYRING__MAX] = {"active", "next", "old"};

/* The words of a line, without the blanks between them. */
struct words {
	struct slice at[WORDS_MAX];
	size_t n;
};

/* What the lines read so far have told. */
struct parse {
	struct keyring *ring;
	bool has_header, has_active;
};

struct keyring *
keyring_new(void)
{
	return (mem_locked_new(sizeof(struct keyring)));
}

void
keyring_free(struct keyring *ring)
{
	mem_locked_free(ring, sizeof(*ring));
}

/* A key's id: the first bytes of the digest of its public half. */
static void
key_id(const uint8_t public_key[KEYRING_KEY_LEN], uint8_t id[KEYRING_ID_LEN])
{
	uint8_t digest[CRYPT_SHA256_LEN];

	crypt_sha256(slice_make(public_key, KEYRING_KEY_LEN), digest);
	memcpy(id, digest, KEYRING_ID_LEN);
}

/* Make a key pair in the first free place of ${ring}, not active. */
static enum err
make_key(struct keyring *ring, int64_t created_ms, struct keyring_key **out)
{
	struct keyring_key *key;

	if (ring->nkeys > 0 && !ring->has_private)
		return (ERR_INTERNAL); /* half of its keys would lack their private part */
	if (ring->nkeys == KEYRING_KEYS_MAX)
		return (ERR_SPACE);
	key = &ring->keys[ring->nkeys];
	crypt_random(key->private_key, KEYRING_KEY_LEN);
	if (crypt_x25519_base(key->private_key, key->public_key) != ERR_OK) {
		mem_wipe(key, sizeof(*key));
		return (ERR_INTERNAL);
	}
	key_id(key->public_key, key->id);
	key->created_ms = created_ms;
	ring->nkeys++;
	ring->has_private = true;
	*out = key;
	return (ERR_OK);
}

/* Make ${key} of ${ring} the only active one. */
static void
make_active(struct keyring *ring, const struct keyring_key *key)
{
	size_t i;

	for (i = 0; i < ring->nkeys; i++)
		ring->keys[i].active = &ring->keys[i] == key;
}

enum err
keyring_add(struct keyring *ring, int64_t created_ms)
{
	struct keyring_key *key;
	enum err e;

	if ((e = make_key(ring, created_ms, &key)) == ERR_OK)
		make_active(ring, key);
	return (e);
}

enum err
keyring_add_next(struct keyring *ring, int64_t created_ms, const struct keyring_key **out)
{
	struct keyring_key *key;
	enum err e;
	size_t i;

	for (i = 0; i < ring->nkeys; i++) {
		if (created_ms <= ring->keys[i].created_ms)
			created_ms = ring->keys[i].created_ms + 1;
	}
	if (created_ms > CREATED_MAX_MS)
		return (ERR_DENIED);
	if ((e = make_key(ring, created_ms, &key)) == ERR_OK)
		*out = key;
	return (e);
}

enum err
keyring_activate(struct keyring *ring, const uint8_t id[KEYRING_ID_LEN])
{
	const struct keyring_key *key = keyring_find(ring, id);

	if (key == NULL)
		return (ERR_NOTFOUND);
	make_active(ring, key);
	return (ERR_OK);
}

enum err
keyring_remove(struct keyring *ring, const uint8_t id[KEYRING_ID_LEN])
{
	const struct keyring_key *key = keyring_find(ring, id);
	size_t i;

	if (key == NULL)
		return (ERR_NOTFOUND);
	if (key->active)
		return (ERR_DENIED);
	for (i = (size_t)(key - ring->keys); i + 1 < ring->nkeys; i++)
		ring->keys[i] = ring->keys[i + 1];
	mem_wipe(&ring->keys[--ring->nkeys], sizeof(ring->keys[0]));
	return (ERR_OK);
}

enum err
keyring_merge(struct keyring *ring, const struct keyring *from, size_t *added)
{
	const size_t before = ring->nkeys;
	size_t i;

	*added = 0;
	if (before == 0)
		ring->has_private = from->has_private;
	if (ring->has_private != from->has_private)
		return (ERR_INVALID);
	for (i = 0; i < from->nkeys; i++) {
		if (keyring_find(ring, from->keys[i].id) != NULL)
			continue;
		if (ring->nkeys == KEYRING_KEYS_MAX) {
			mem_wipe(
			    &ring->keys[before], (ring->nkeys - before) * sizeof(ring->keys[0]));
			ring->nkeys = before;
			return (ERR_SPACE);
		}
		ring->keys[ring->nkeys] = from->keys[i];
		ring->keys[ring->nkeys++].active = before == 0 && from->keys[i].active;
	}
	*added = ring->nkeys - before;
	return (ERR_OK);
}

const struct keyring_key *
keyring_active(const struct keyring *ring)
{
	size_t i;

	for (i = 0; i < ring->nkeys; i++) {
		if (ring->keys[i].active)
			return (&ring->keys[i]);
	}
	return (NULL);
}

const struct keyring_key *
keyring_next(const struct keyring *ring)
{
	const struct keyring_key *last = keyring_active(ring);
	size_t i;

	for (i = 0; i < ring->nkeys && last != NULL; i++) {
		if (ring->keys[i].created_ms > last->created_ms)
			last = &ring->keys[i];
	}
	return (last != NULL && last->active ? NULL : last);
}

enum keyring_state
keyring_state(const struct keyring *ring, const struct keyring_key *key)
{
	if (key->active)
		return (KEYRING_ACTIVE);
	return (key == keyring_next(ring) ? KEYRING_NEXT : KEYRING_OLD);
}

const struct keyring_key *
keyring_find(const struct keyring *ring, const uint8_t id[KEYRING_ID_LEN])
{
	size_t i;

	for (i = 0; i < ring->nkeys; i++) {
		if (memcmp(ring->keys[i].id, id, KEYRING_ID_LEN) == 0)
			return (&ring->keys[i]);
	}
	return (NULL);
}

/* Split ${line}; what stands behind WORDS_MAX words is dropped, as that many are too many. */
static void
words_of(struct slice line, struct words *w)
{
	struct slice part;

	w->n = 0;
	while (w->n < WORDS_MAX && slice_split(&line, ' ', &part)) {
		if (part.len > 0)
			w->at[w->n++] = part;
	}
}

static bool
word_is(const struct words *w, size_t i, const char *text)
{
	return (i < w->n && slice_eq(w->at[i], slice_of(text)));
}

/* The number of the ${n} digits of ${s} from ${at} on; 0 where they are not all digits. */
static int
digits(struct slice s, size_t at, size_t n)
{
	uint64_t value;

	if (text_u64(slice_make(s.ptr + at, n), 9999, &value) != ERR_OK)
		return (0);
	return ((int)value);
}

/*
 * Read exactly what clock_rfc3339() writes.  Whatever the digits are, the time they would make must
 * print as the same text: so there is no 30th of February, no hour 24 and no other form.
 */
static enum err
parse_time(struct slice s, int64_t *out)
{
	char text[CLOCK_RFC3339_SIZE];
	struct tm tm;
	int64_t ms;

	if (s.len != CLOCK_RFC3339_SIZE - 1)
		return (ERR_INVALID);
	memset(&tm, 0, sizeof(tm));
	tm.tm_year = digits(s, 0, 4) - 1900;
	tm.tm_mon = digits(s, 5, 2) - 1;
	tm.tm_mday = digits(s, 8, 2);
	tm.tm_hour = digits(s, 11, 2);
	tm.tm_min = digits(s, 14, 2);
	tm.tm_sec = digits(s, 17, 2);
	ms = (int64_t)timegm(&tm) * 1000 + digits(s, 20, 3);
	if (ms < 0)
		return (ERR_INVALID);
	clock_rfc3339(ms, text);
	if (!slice_eq(s, slice_of(text)))
		return (ERR_INVALID);
	*out = ms;
	return (ERR_OK);
}

/*
 * Can anything be sealed to ${public_key}?  With a point of low order every secret is the same,
 * zero, and sealing refuses that: not at the start of a program, but with each request.
 */
static enum err
check_point(const uint8_t public_key[KEYRING_KEY_LEN])
{
	static const uint8_t scalar[KEYRING_KEY_LEN] = {8};
	uint8_t shared[KEYRING_KEY_LEN];

	return (crypt_x25519(scalar, public_key, shared) == ERR_OK ? ERR_OK : ERR_INVALID);
}

/* Do the three parts of ${key} belong together? */
static enum err
check_key(const struct keyring_key *key, bool has_private)
{
	uint8_t id[KEYRING_ID_LEN], public_key[KEYRING_KEY_LEN];

	key_id(key->public_key, id);
	if (memcmp(id, key->id, KEYRING_ID_LEN) != 0)
		return (ERR_INVALID);
	if (!has_private)
		return (check_point(key->public_key));
	if (crypt_x25519_base(key->private_key, public_key) != ERR_OK)
		return (ERR_INVALID);
	return (mem_equal(public_key, key->public_key, KEYRING_KEY_LEN) ? ERR_OK : ERR_INVALID);
}

/* key <id> <created> active|old <public> [<private>] */
static enum err
parse_key(struct parse *p, const struct words *w)
{
	struct keyring *ring = p->ring;
	struct keyring_key *key;

	if (ring->nkeys == KEYRING_KEYS_MAX || w->n != (ring->has_private ? 6 : 5))
		return (ERR_INVALID);
	key = &ring->keys[ring->nkeys];
	if (text_unhex(w->at[1], key->id, KEYRING_ID_LEN) != ERR_OK ||
	    parse_time(w->at[2], &key->created_ms) != ERR_OK ||
	    text_unhex(w->at[4], key->public_key, KEYRING_KEY_LEN) != ERR_OK)
		return (ERR_INVALID);
	if (ring->has_private && text_unhex(w->at[5], key->private_key, KEYRING_KEY_LEN) != ERR_OK)
		return (ERR_INVALID);
	key->active = word_is(w, 3, "active");
	if (!key->active && !word_is(w, 3, "old"))
		return (ERR_INVALID);
	if ((key->active && p->has_active) || keyring_find(ring, key->id) != NULL)
		return (ERR_INVALID);
	if (check_key(key, ring->has_private) != ERR_OK)
		return (ERR_INVALID);
	p->has_active |= key->active;
	ring->nkeys++;
	return (ERR_OK);
}

/* sigsentry-keyring 1 private|public */
static enum err
parse_header(struct parse *p, const struct words *w)
{
	if (w->n != 3 || !word_is(w, 0, "sigsentry-keyring") || !word_is(w, 1, "1"))
		return (ERR_INVALID);
	p->ring->has_private = word_is(w, 2, "private");
	if (!p->ring->has_private && !word_is(w, 2, "public"))
		return (ERR_INVALID);
	p->has_header = true;
	return (ERR_OK);
}

static enum err
parse_line(struct parse *p, struct slice line)
{
	struct words w;

	words_of(line, &w);
	if (w.n == 0 || w.at[0].ptr[0] == '#')
		return (ERR_OK);
	if (!p->has_header)
		return (parse_header(p, &w));
	return (word_is(&w, 0, "key") ? parse_key(p, &w) : ERR_INVALID);
}

enum err
keyring_parse(struct slice text, struct keyring *ring, size_t *line)
{
	struct parse p = {ring, false, false};
	enum err rc = ERR_INVALID;
	struct slice part;

	mem_wipe(ring, sizeof(*ring));
	*line = 0;
	/* What follows the last line's end is no line. */
	if (text.len > 0 && text.ptr[text.len - 1] == '\n')
		text.len--;
	while (slice_split(&text, '\n', &part)) {
		++*line;
		if (parse_line(&p, part) != ERR_OK)
			goto out;
	}
	if (!p.has_active) /* the last line, where one was still missing */
		goto out;
	rc = ERR_OK;
out:
	if (rc != ERR_OK)
		mem_wipe(ring, sizeof(*ring));
	if (rc != ERR_OK && *line == 0)
		*line = 1;
	return (rc);
}

/* Append ${bytes} as hex, and leave no copy behind. */
static void
put_hex(struct buf *out, const uint8_t bytes[KEYRING_KEY_LEN])
{
	char hex[2 * KEYRING_KEY_LEN + 1];

	text_hex(bytes, KEYRING_KEY_LEN, hex);
	buf_add(out, slice_make(hex, sizeof(hex) - 1));
	mem_wipe(hex, sizeof(hex));
}

void
keyring_print(const struct keyring *ring, bool with_private, struct buf *out)
{
	char id[KEYRING_ID_TEXT], created[CLOCK_RFC3339_SIZE];
	const struct keyring_key *key;
	size_t i;

	with_private = with_private && ring->has_private;
	buf_printf(out, "sigsentry-keyring 1 %s\n", with_private ? "private" : "public");
	for (i = 0; i < ring->nkeys; i++) {
		key = &ring->keys[i];
		text_hex(key->id, KEYRING_ID_LEN, id);
		clock_rfc3339(key->created_ms, created);
		buf_printf(out, "key %s %s %s ", id, created, key->active ? "active" : "old");
		put_hex(out, key->public_key);
		if (with_private) {
			buf_addc(out, ' ');
			put_hex(out, key->private_key);
		}
		buf_addc(out, '\n');
	}
}
