/*
 * The part of an answer that is kept for people to read, and what must not be in it.  A receiver
 * may send back what we sent, in any dress: so the answer is looked at as it stands and with each
 * encoding taken off, and every form of a secret is searched in each of these views.  The search
 * takes time linear in the answer and each secret, however both are made.
 */
#include "domain/excerpt.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define PIECE_MIN    4  /* bytes of a part of a secret, or of its beginning, that count as one */
#define PIECES_MAX   64 /* parts of one URL that are looked for on their own */
#define ENCODED_MAX  6  /* bytes that one takes at most when encoded: \u0041 */
#define SECRETS_SIZE (1024 * 1024) /* bytes of all forms of all secrets; a bound, never reached */
#define VIEWS_MAX    6
#define REPLACEMENT  "\xef\xbf\xbd" /* U+FFFD */

/** One form of a secret: a place in needles.bytes. */
struct needle {
	size_t offset, len;
};

/** All forms of all secrets. */
struct needles {
	struct buf bytes;
	struct needle *list;
	size_t n, cap, longest;
	bool failed;
};

/** The answer, maybe with an encoding taken off. */
struct view {
	char *bytes;
	uint32_t *at; /* by byte: where it begins in the answer; one more for the end */
	size_t len;
};

/** What one encoded character says. */
struct decoded {
	char bytes[4];
	size_t len;
};

/** Reads an encoded character at ${s}; how many bytes it takes there, 0: it is not encoded. */
typedef size_t decoder(struct slice s, struct decoded *out);

/* Segments of platforms' URLs that are no secrets, and would be missed in a message. */
static const char *const plain_segments[] = {
    "services",
    "webhooks",
    "webhook",
    "messages",
    "spaces",
    "workflows",
    "triggers",
    "manual",
    "paths",
    "invoke",
    "powerautomate",
    "automations",
    "direct",
    "webhookb2",
    "IncomingWebhook",
};

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The forms of a secret -------------------------------------------------------------------- */

/* Note the form ${s}. */
static void
note(struct needles *ns, struct slice s)
{
	struct needle *grown;

	if (s.len == 0 || ns->failed)
		return;
	if (ns->n == ns->cap) {
		ns->cap = ns->cap * 2 + 32;
		if ((grown = realloc(ns->list, ns->cap * sizeof(*grown))) == NULL) {
			ns->failed = true;
			return;
		}
		ns->list = grown;
	}
	ns->list[ns->n++] = (struct needle){ns->bytes.len, s.len};
	buf_add(&ns->bytes, s);
	if (s.len > ns->longest)
		ns->longest = s.len;
	ns->failed = !buf_ok(&ns->bytes);
}

/* The six bits at ${i} of ${s}, which begins ${shift} bytes behind a multiple of three. */
static unsigned int
sextet(struct slice s, size_t shift, size_t i)
{
	unsigned int bits = 0, k;
	size_t bit, byte;

	for (k = 0; k < 6; k++) {
		bit = i * 6 + k;
		byte = bit / 8 - shift;
		bits = bits << 1 | ((unsigned char)s.ptr[byte] >> (7 - bit % 8) & 1U);
	}
	return (bits);
}

/* Those characters of base64 that ${s} alone decides, ${shift} bytes behind a multiple of three. */
static void
note_base64(struct needles *ns, struct slice s, size_t shift)
{
	size_t i, first = (shift * 8 + 5) / 6, end = (shift + s.len) * 8 / 6;
	struct buf std, url;
	char c;

	if (end < first + PIECE_MIN)
		return;
	buf_init(&std, SECRETS_SIZE);
	buf_init(&url, SECRETS_SIZE);
	for (i = first; i < end; i++) {
		c = base64_alphabet[sextet(s, shift, i)];
		buf_addc(&std, c);
		buf_addc(&url, (char)(c == '+' ? '-' : (c == '/' ? '_' : c)));
	}
	note(ns, buf_slice(&std));
	if (!slice_eq(buf_slice(&std), buf_slice(&url)))
		note(ns, buf_slice(&url));
	ns->failed = ns->failed || !buf_ok(&std) || !buf_ok(&url);
	buf_clear(&std);
	buf_clear(&url);
}

/* Note ${s} in all its forms. */
static void
add(struct needles *ns, struct slice s)
{
	size_t shift;

	note(ns, s);
	for (shift = 0; shift < 3; shift++)
		note_base64(ns, s, shift);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (c - '0');
	if (c >= 'a' && c <= 'f')
		return (c - 'a' + 10);
	return (c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1);
}

static size_t
decoded_byte(struct decoded *out, int byte, size_t consumed)
{
	out->bytes[0] = (char)byte;
	out->len = 1;
	return (consumed);
}

static size_t
decode_percent(struct slice s, struct decoded *out)
{
	int high, low;

	if (s.len < 3 || s.ptr[0] != '%' || (high = hex_value(s.ptr[1])) < 0 ||
	    (low = hex_value(s.ptr[2])) < 0)
		return (0);
	return (decoded_byte(out, high << 4 | low, 3));
}

/* Add ${s} where it is long enough to be a secret, and what it is without %XX. */
static void
add_piece(struct needles *ns, struct slice s)
{
	struct decoded d;
	struct buf plain;
	size_t i, n;

	for (i = 0; i < sizeof(plain_segments) / sizeof(plain_segments[0]); i++) {
		if (slice_eq(s, slice_of(plain_segments[i])))
			return;
	}
	if (s.len < PIECE_MIN)
		return;
	add(ns, s);
	buf_init(&plain, SECRETS_SIZE);
	for (i = 0; i < s.len; i += n) {
		if ((n = decode_percent(slice_skip(s, i), &d)) == 0)
			n = decoded_byte(&d, s.ptr[i], 1);
		buf_addc(&plain, d.bytes[0]);
	}
	if (plain.len >= PIECE_MIN && plain.len != s.len)
		add(ns, buf_slice(&plain));
	ns->failed = ns->failed || !buf_ok(&plain);
	buf_clear(&plain);
}

/* What stands behind the host of the URL ${s}: a receiver sees that, and not the whole URL. */
static void
add_url(struct needles *ns, struct slice s)
{
	struct slice rest = slice_skip(s, sizeof("https://") - 1), path, query, piece;
	size_t i, budget = PIECES_MAX;

	for (i = 0; i < rest.len && strchr("/?", rest.ptr[i]) == NULL;)
		i++;
	rest = slice_skip(rest, i);
	add_piece(ns, rest);
	query = rest;
	(void)slice_split(&query, '?', &path);
	add_piece(ns, path);
	add_piece(ns, query);
	while (budget-- > 0 && slice_split(&path, '/', &piece))
		add_piece(ns, piece);
	for (budget = PIECES_MAX; budget > 0 && slice_split(&query, '&', &piece); budget--) {
		rest = piece;
		(void)slice_split(&rest, '=', &piece);
		add_piece(ns, rest.ptr == NULL ? piece : rest);
	}
}

/* What the base64 text ${s} says, up to the first byte that is none. */
static void
unbase64(struct slice s, struct buf *out)
{
	unsigned int bits = 0, nbits = 0;
	const char *at;
	size_t i;

	for (i = 0; i < s.len && s.ptr[i] != '\0'; i++) {
		if ((at = strchr(base64_alphabet, s.ptr[i])) == NULL)
			break;
		bits = (bits << 6 | (unsigned int)(at - base64_alphabet)) & 0xffff;
		nbits += 6;
		if (nbits >= 8) {
			nbits -= 8;
			buf_addc(out, (char)(bits >> nbits & 0xff));
		}
	}
}

/* What ${s}, base64, holds, and of "name:password" the password on its own. */
static void
add_decoded(struct needles *ns, struct slice s)
{
	struct buf plain;
	struct slice rest, name;

	buf_init(&plain, SECRETS_SIZE);
	unbase64(s, &plain);
	rest = buf_slice(&plain);
	if (rest.len >= PIECE_MIN)
		add(ns, rest);
	if (slice_split(&rest, ':', &name) && rest.len >= PIECE_MIN)
		add(ns, rest);
	buf_clear(&plain);
}

/* Add a secret with all that is told by a part of it. */
static void
add_secret(struct needles *ns, struct slice s)
{
	struct slice rest = s, part;

	add(ns, s);
	if (slice_starts(s, slice_of("https://")))
		add_url(ns, s);
	if (slice_starts(s, slice_of("whsec_"))) {
		add_piece(ns, slice_skip(s, 6));
		add_decoded(ns, slice_skip(s, 6));
	}
	if (memchr(s.ptr, ',', s.len) != NULL) {
		while (slice_split(&rest, ',', &part))
			add_piece(ns, slice_trim(part));
	}
	rest = s;
	if (slice_split(&rest, ' ', &part) && rest.ptr != NULL) {
		add_piece(ns, slice_trim(rest));
		if (slice_eq_nocase(part, slice_of("Basic")))
			add_decoded(ns, slice_trim(rest));
	}
}

/* The views of an answer ------------------------------------------------------------------- */

static size_t
decode_form(struct slice s, struct decoded *out)
{
	if (s.len > 0 && s.ptr[0] == '+')
		return (decoded_byte(out, ' ', 1));
	return (decode_percent(s, out));
}

/* The UTF-16 unit of "\u0041" at ${s}, 0: there is none. */
static uint32_t
utf16_unit(struct slice s)
{
	uint8_t code[2];

	if (s.len < 6 || s.ptr[0] != '\\' || s.ptr[1] != 'u' ||
	    text_unhex(slice_make(s.ptr + 2, 4), code, 2) != ERR_OK)
		return (0);
	return ((uint32_t)code[0] << 8 | code[1]);
}

/* Write ${cp} as UTF-8 (RFC 3629). */
static void
put_utf8(uint32_t cp, struct decoded *out)
{
	static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t i;

	out->len = cp < 0x80 ? 1 : (cp < 0x800 ? 2 : (cp < 0x10000 ? 3 : 4));
	for (i = out->len; i-- > 1; cp >>= 6)
		out->bytes[i] = (char)(0x80 | (cp & 0x3f));
	out->bytes[0] = (char)(out->len == 1 ? cp : (leads[out->len] | cp));
}

/* "\u00e9", or a pair of surrogates (RFC 8259 §7). */
static size_t
decode_unicode(struct slice s, struct decoded *out)
{
	uint32_t unit = utf16_unit(s), low;

	if (unit == 0)
		return (0);
	if (unit < 0xd800 || unit > 0xdfff) {
		put_utf8(unit, out);
		return (6);
	}
	low = utf16_unit(slice_skip(s, 6));
	if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return (0);
	put_utf8(0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00)), out);
	return (12);
}

static size_t
decode_json(struct slice s, struct decoded *out)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (s.len < 2 || s.ptr[0] != '\\')
		return (0);
	if (s.ptr[1] == 'u')
		return (decode_unicode(s, out));
	if (s.ptr[1] == '\0' || (at = strchr(letters, s.ptr[1])) == NULL)
		return (0);
	return (decoded_byte(out, values[at - letters], 2));
}

static size_t
decode_nothing(struct slice s, struct decoded *out)
{
	(void)s;
	(void)out;
	return (0);
}

static void
view_clear(struct view *v)
{
	if (v->bytes != NULL)
		mem_wipe(v->bytes, v->len);
	free(v->bytes);
	free(v->at);
	*v = (struct view){NULL, NULL, 0};
}

/* Make ${out} of ${in} by taking off an encoding, which never makes more bytes of fewer. */
static enum err
view_make(const struct view *in, decoder *decode, struct view *out)
{
	struct decoded d;
	size_t i, j, n;

	out->len = 0;
	out->bytes = malloc(in->len + 1);
	out->at = malloc((in->len + 1) * sizeof(*out->at));
	if (out->bytes == NULL || out->at == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < in->len; i += n) {
		if ((n = decode(slice_make(in->bytes + i, in->len - i), &d)) == 0)
			n = decoded_byte(&d, in->bytes[i], 1);
		for (j = 0; j < d.len; j++) {
			out->bytes[out->len] = d.bytes[j];
			out->at[out->len++] = in->at[i];
		}
	}
	out->at[out->len] = in->at[in->len];
	return (ERR_OK);
}

/* The answer itself as a view. */
static enum err
view_raw(struct slice answer, struct view *out)
{
	struct view in = {(char *)(uintptr_t)answer.ptr, NULL, answer.len};
	enum err rc = ERR_NOMEM;
	size_t i;

	if ((in.at = malloc((answer.len + 1) * sizeof(*in.at))) != NULL) {
		for (i = 0; i <= answer.len; i++)
			in.at[i] = (uint32_t)i;
		rc = view_make(&in, decode_nothing, out);
	}
	free(in.at);
	return (rc);
}

/* Every view that differs from those before; how many there are in ${n}. */
static enum err
views_make(struct slice answer, struct view views[static VIEWS_MAX], size_t *n)
{
	static const struct {
		size_t of; /* which view it is made from */
		char sign; /* without it in there, there is nothing to take off */
		decoder *decode;
	} rows[VIEWS_MAX] = {
	    {0, '\0', decode_nothing},
	    {0, '%', decode_percent},
	    {0, '+', decode_form},
	    {0, '\\', decode_json},
	    {3, '%', decode_percent},
	    {3, '+', decode_form},
	};
	const struct view *in;
	size_t i;

	*n = VIEWS_MAX;
	if (view_raw(answer, &views[0]) != ERR_OK)
		return (ERR_NOMEM);
	for (i = 1; i < VIEWS_MAX; i++) {
		in = &views[rows[i].of];
		if (in->len == 0 || memchr(in->bytes, rows[i].sign, in->len) == NULL)
			continue;
		if (view_make(in, rows[i].decode, &views[i]) != ERR_OK)
			return (ERR_NOMEM);
	}
	return (ERR_OK);
}

/* The search ------------------------------------------------------------------------------- */

/* For each beginning of ${s}, the longest shorter one that it ends with (Knuth, Morris, Pratt). */
static void
make_table(struct slice s, size_t *table)
{
	size_t i, k = 0;

	table[0] = 0;
	for (i = 1; i < s.len; i++) {
		while (k > 0 && s.ptr[i] != s.ptr[k])
			k = table[k - 1];
		if (s.ptr[i] == s.ptr[k])
			k++;
		table[i] = k;
	}
}

/* Strike out the bytes of ${v} from ${first} to ${end}, where the answer has them. */
static void
strike(const struct view *v, size_t first, size_t end, bool struck[static EXCERPT_MAX])
{
	size_t i;

	for (i = v->at[first]; i < v->at[end] && i < EXCERPT_MAX; i++)
		struck[i] = true;
}

/* Find ${s} in ${v}, as often as it begins in the part that is shown. */
static void
search(const struct view *v, struct slice s, size_t *table, bool struck[static EXCERPT_MAX])
{
	size_t i, k = 0;

	make_table(s, table); /* of all bytes of s: k is at most their number */
	for (i = 0; i < v->len && v->at[i - k] < EXCERPT_MAX; i++) {
		while (k > 0 && v->bytes[i] != s.ptr[k])
			k = table[k - 1]; /* NOLINT(clang-analyzer-core.uninitialized.Assign) */
		if (v->bytes[i] == s.ptr[k])
			k++;
		if (k == s.len) {
			strike(v, i + 1 - k, i + 1, struck);
			k = table[k - 1]; /* NOLINT(clang-analyzer-core.uninitialized.Assign) */
		}
	}
	/* an answer that ends in the middle of it */
	if (i == v->len && k >= PIECE_MIN)
		strike(v, v->len - k, v->len, struck);
}

static enum err
search_all(const struct needles *ns, struct slice answer, bool struck[static EXCERPT_MAX])
{
	struct view views[VIEWS_MAX] = {{NULL, NULL, 0}};
	size_t i, j, n = 0, *table;
	enum err rc = ERR_NOMEM;

	if ((table = malloc((ns->longest + 1) * sizeof(*table))) != NULL &&
	    views_make(answer, views, &n) == ERR_OK) {
		for (i = 0; i < ns->n; i++) {
			for (j = 0; j < n; j++)
				search(&views[j],
				    slice_make(ns->bytes.ptr + ns->list[i].offset, ns->list[i].len),
				    table, struck);
		}
		rc = ERR_OK;
	}
	for (j = 0; j < VIEWS_MAX; j++)
		view_clear(&views[j]);
	free(table);
	return (rc);
}

/* What is shown ---------------------------------------------------------------------------- */

/* May ${cp} be shown as it is?  Not controls, nor what turns the direction of the text around. */
static bool
is_shown(uint32_t cp)
{
	return (cp >= 0x20 && !(cp >= 0x7f && cp <= 0x9f) && !(cp >= 0x200b && cp <= 0x200f) &&
		!(cp >= 0x2028 && cp <= 0x202e) && !(cp >= 0x2060 && cp <= 0x206f) &&
		cp != 0xfeff && cp != 0xfffe && cp != 0xffff);
}

/* The first character of ${s} as it is shown; ${n}: how many bytes of ${s} it took. */
static struct slice
shown(struct slice s, size_t *n)
{
	uint32_t cp;

	if ((*n = text_utf8_next(s, &cp)) == 0) {
		*n = 1;
		return (slice_of(REPLACEMENT));
	}
	if (cp == '\n' || cp == '\t' || cp == '\r')
		return (slice_of(" "));
	return (is_shown(cp) ? slice_make(s.ptr, *n) : slice_of(REPLACEMENT));
}

static void
write_shown(
    struct slice answer, const bool struck[static EXCERPT_MAX], char out[static EXCERPT_MAX + 1])
{
	size_t i, n, used = 0;
	struct slice piece;

	for (i = 0; i < answer.len && i < EXCERPT_MAX; i += n) {
		if (struck[i]) {
			for (n = 1; i + n < EXCERPT_MAX && struck[i + n];)
				n++;
			piece = slice_of(EXCERPT_STRUCK);
		} else {
			piece = shown(slice_skip(answer, i), &n);
		}
		if (piece.len > EXCERPT_MAX - used)
			break;
		memcpy(out + used, piece.ptr, piece.len);
		used += piece.len;
	}
	out[used] = '\0';
}

enum err
excerpt_make(
    struct slice answer, const struct slice secrets[], size_t nsecrets, char out[EXCERPT_MAX + 1])
{
	struct needles ns = {.n = 0};
	bool struck[EXCERPT_MAX] = {false};
	enum err rc = ERR_NOMEM;
	size_t i, window;

	out[0] = '\0';
	if (answer.len == 0)
		return (ERR_OK);
	buf_init(&ns.bytes, SECRETS_SIZE);
	for (i = 0; i < nsecrets; i++) {
		/* "ok" holds no part of a secret that counts as one, but may be a short secret */
		if (secrets[i].len > 0 && (answer.len >= PIECE_MIN || secrets[i].len < PIECE_MIN))
			add_secret(&ns, secrets[i]);
	}
	window = EXCERPT_MAX + ns.longest * ENCODED_MAX;
	if (answer.len > window)
		answer.len = window;
	if (!ns.failed && search_all(&ns, answer, struck) == ERR_OK) {
		write_shown(answer, struck, out);
		rc = ERR_OK;
	}
	buf_clear(&ns.bytes);
	free(ns.list);
	return (rc);
}
