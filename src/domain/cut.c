/*
 * The one place that shortens text.  Every renderer puts what others wrote through cut_put(), so
 * that whatever an event holds, it stays text, and each limit of a platform holds in its unit.
 */
#include "domain/cut.h"

#include <string.h>

#define ELLIPSIS    "\xe2\x80\xa6" /* U+2026 */
#define REPLACEMENT 0xfffd         /* for what is no UTF-8 */
#define ZERO_WIDTH  "\xe2\x80\x8b" /* U+200B */
#define JOINER      0x200d
#define CLUSTER_MAX 32 /* code points after which a cut waits for no better place */
#define NO_CHAR     UINT32_MAX

/** A range of code points. */
struct range {
	uint32_t from, to;
};

/** A text on its way out. */
struct cutting {
	struct buf *out;
	const struct cut_how *how;
	size_t used;   /* units */
	size_t lines;  /* breaks so far */
	size_t breaks; /* breaks just written, in a row */
	bool at_start; /* of a line, but for blanks */
	uint32_t last; /* code point just put */
	size_t run;    /* code points since the last mark */
	/* where a cut would leave: bytes of out, units */
	size_t mark_len, mark_used;
	/* up to where there is ink */
	size_t ink_len, ink_used;
};

/* Left out: controls (but for line breaks and tabs), and what re-orders the text around it. */
static const struct range dropped[] = {
    {0x00, 0x08},
    {0x0b, 0x0c},
    {0x0e, 0x1f},
    {0x7f, 0x84},
    {0x86, 0x9f},
    {0x202a, 0x202e},
    {0x2066, 0x2069},
    {0xfeff, 0xfeff},
    {0xfffe, 0xffff},
};

/* Never to be seen on their own, beside those. */
static const struct range blank[] = {
    {0x09, 0x0d},
    {0x20, 0x20},
    {0x85, 0x85},
    {0xa0, 0xa0},
    {0xad, 0xad},
    {0x034f, 0x034f},
    {0x061c, 0x061c},
    {0x115f, 0x1160},
    {0x1680, 0x1680},
    {0x17b4, 0x17b5},
    {0x180b, 0x180f},
    {0x2000, 0x200f},
    {0x2028, 0x2029},
    {0x202f, 0x202f},
    {0x205f, 0x2065},
    {0x206a, 0x206f},
    {0x2800, 0x2800},
    {0x3000, 0x3000},
    {0x3164, 0x3164},
    {0xfe00, 0xfe0f},
    {0xffa0, 0xffa0},
    {0xfff9, 0xfffb},
    {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
};

/* Parts of the character ahead of them. */
static const struct range extenders[] = {
    {0x0300, 0x036f},
    {0x0483, 0x0489},
    {0x0591, 0x05bd},
    {0x064b, 0x065f},
    {0x093a, 0x094f},
    {0x0e31, 0x0e3a},
    {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff},
    {0x200c, 0x200d},
    {0x20d0, 0x20ff},
    {0x3099, 0x309a},
    {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f},
    {0x1f3fb, 0x1f3ff},
    {0xe0020, 0xe007f},
    {0xe0100, 0xe01ef},
};

#define IN(c, table) in_ranges((c), (table), sizeof(table) / sizeof((table)[0]))

static bool
in_ranges(uint32_t c, const struct range *ranges, size_t n)
{
	size_t i;

	if (c > ' ' && c < 0x7f) /* in none of them, and nearly all there is */
		return (false);
	for (i = 0; i < n; i++) {
		if (c >= ranges[i].from && c <= ranges[i].to)
			return (true);
	}
	return (false);
}

static bool
is_blank(uint32_t c)
{
	return (IN(c, blank) || IN(c, dropped));
}

/* Take the next code point off ${s}; a byte that is no UTF-8 is one U+FFFD. */
static uint32_t
next(struct slice *s)
{
	uint32_t c;
	size_t n = text_utf8_next(*s, &c);

	if (n == 0) {
		c = REPLACEMENT;
		n = 1;
	}
	*s = slice_skip(*s, n);
	return (c);
}

/* As next(), with every form of a line break as LF. */
static uint32_t
next_clean(struct slice *s)
{
	uint32_t c = next(s);

	if (c == '\r' && s->len > 0 && s->ptr[0] == '\n')
		*s = slice_skip(*s, 1);
	return (c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029 ? '\n' : c);
}

static size_t
units_of(uint32_t c, size_t nbytes, enum cut_unit unit)
{
	const bool escaped = c == '"' || c == '\\' || c == '\n' || c == '\t';
	const size_t units[CUT__MAX] = {
	    [CUT_CODE_POINTS] = 1,
	    [CUT_UTF16] = c > 0xffff ? 2 : 1,
	    [CUT_BYTES] = nbytes,
	    [CUT_JSON] = nbytes + (escaped ? 1 : 0),
	};

	return (units[unit]);
}

size_t
cut_len(struct slice s, enum cut_unit unit)
{
	struct slice before;
	size_t n = 0;
	uint32_t c;

	while (s.len > 0) {
		before = s;
		c = next(&s);
		n += units_of(c, before.len - s.len, unit);
	}
	return (n);
}

bool
cut_is_blank(struct slice s)
{
	while (s.len > 0) {
		if (!is_blank(next(&s)))
			return (false);
	}
	return (true);
}

/* What "…" takes. */
static size_t
ellipsis_units(const struct cut_how *how)
{
	return (cut_len(slice_of(ELLIPSIS), how->unit));
}

/* Append ${text}, which stands for one character, or say that it does not fit. */
static bool
put_text(struct cutting *k, struct slice text, size_t max)
{
	size_t n = cut_len(text, k->how->unit);

	if (n > max - k->used)
		return (false);
	buf_add(k->out, text);
	k->used += n;
	return (true);
}

/* What stands for ${c} here; ${own} has room for it. */
static struct slice
written(const struct cutting *k, uint32_t c, char own[16])
{
	const struct cut_how *how = k->how;
	struct slice s = {own, 0};
	size_t n = 0;

	if (how->never_twice != '\0' && c == (unsigned char)how->never_twice && c == k->last) {
		memcpy(own, ZERO_WIDTH, sizeof(ZERO_WIDTH) - 1);
		n = sizeof(ZERO_WIDTH) - 1;
	}
	if (c < CUT_ASCII && how->escapes != NULL && how->escapes[c] != NULL)
		return (slice_of(how->escapes[c]));
	if (k->at_start && how->line_start != NULL && c > 0 && c < CUT_ASCII &&
	    strchr(how->line_start, (int)c) != NULL)
		own[n++] = '\\';
	s.len = n + text_utf8_put(c, own + n);
	return (s);
}

/* Remember this place as one where a cut may fall before ${c}. */
static void
mark(struct cutting *k, uint32_t c, size_t max)
{
	bool inside = IN(c, extenders) || k->last == JOINER || is_blank(k->last);

	k->run++;
	if ((inside && k->run < CLUSTER_MAX) || k->used + ellipsis_units(k->how) > max)
		return;
	k->run = 0;
	k->mark_len = k->out->len;
	k->mark_used = k->used;
}

/* What white space becomes: a break, a blank, or nothing (NO_CHAR). */
static uint32_t
space(struct cutting *k, uint32_t c)
{
	const bool last_line = k->how->lines > 0 && k->lines + 1 >= k->how->lines;

	if (c == '\n' && !last_line)
		return (k->ink_used == 0 || k->breaks >= 2 ? NO_CHAR : '\n');
	if (c == '\n' || c == '\t')
		c = last_line || c == '\n' ? ' ' : c;
	if (k->ink_used == 0 || (last_line && (k->last == ' ' || k->last == '\n')))
		return (NO_CHAR);
	return (c);
}

/* Put one code point; false where it does not fit any more. */
static bool
put_char(struct cutting *k, uint32_t c, size_t max)
{
	char own[16];

	mark(k, c, max);
	if (!put_text(k, written(k, c, own), max))
		return (false);
	k->last = c;
	if (c == '\n') {
		k->lines++;
		k->breaks++;
		k->at_start = true;
	} else if (c != ' ' && c != '\t') {
		k->breaks = 0;
		k->at_start = false;
	}
	if (!is_blank(c) || IN(c, extenders)) {
		k->ink_len = k->out->len;
		k->ink_used = k->used;
	}
	return (true);
}

/* Go back to where the text was ${len} bytes and ${used} units. */
static void
back(struct cutting *k, size_t len, size_t used)
{
	k->out->len = len;
	k->used = used;
}

size_t
cut_put(struct buf *b, struct slice s, const struct cut_how *how, size_t max)
{
	struct cutting k = {.out = b, .how = how, .at_start = true, .last = NO_CHAR};
	uint32_t c;

	k.mark_len = k.ink_len = b->len;
	while (s.len > 0) {
		c = next_clean(&s);
		if (IN(c, dropped))
			continue;
		if (c == '\n' || c == '\t' || c == ' ')
			c = space(&k, c);
		if (c == NO_CHAR)
			continue;
		if (put_char(&k, c, max))
			continue;
		if (cut_is_blank(s) && is_blank(c))
			break;
		back(&k, k.mark_len, k.mark_used);
		(void)put_text(&k, slice_of(ELLIPSIS), max);
		return (k.used);
	}
	back(&k, k.ink_len, k.ink_used);
	return (k.used);
}
