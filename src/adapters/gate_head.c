/*
 * The first look at a request, before libfcgi reads it.  libfcgi allocates what the lengths in the
 * parameters say, up to 4 GiB, and calls abort() where it does not get that (2.4.2, also behind the
 * fix of CVE-2025-23016); and it forgets memory with each management record of a type that it does
 * not know (among those of a body, which nobody looks at, it still may).  So what it is given has
 * one BEGIN_REQUEST and then PARAMS, and none of that size.
 */
#include "adapters/gate_head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define HEADER_LEN    8
#define VERSION       1
#define BEGIN_REQUEST 1
#define PARAMS        4

/** Where in the stream the look has come to. */
struct look {
	size_t seen;                /* bytes of all */
	uint8_t header[HEADER_LEN]; /* of the record */
	size_t header_len;          /* bytes of it that came; HEADER_LEN: in the content */
	size_t content_left, padding_left;
	bool has_begun, is_over;
	/* of the name-value pair */
	size_t lengths_left;        /* of its two lengths, those not yet read */
	size_t length, length_left; /* the one being read, and its bytes to come */
	size_t pair_left;           /* bytes of name and value to come */
};

/* Begin a pair. */
static void
pair_start(struct look *l)
{
	l->lengths_left = 2;
	l->length_left = 0;
	l->pair_left = 0;
}

static bool
pair_is_whole(const struct look *l)
{
	return (l->lengths_left == 2 && l->length_left == 0);
}

/* A length is read: it belongs to the pair, unless that becomes too large. */
static bool
take_length(struct look *l)
{
	if (l->length > GATE_HEAD_MAX - l->pair_left)
		return (false);
	l->pair_left += l->length;
	if (--l->lengths_left == 0 && l->pair_left == 0)
		pair_start(l);
	return (true);
}

/* One byte of a stream of pairs: a length of one byte, or of four where its first bit is set. */
static bool
take_pair_byte(struct look *l, uint8_t byte)
{
	if (l->lengths_left == 0) {
		if (--l->pair_left == 0)
			pair_start(l);
		return (true);
	}
	if (l->length_left > 0) {
		l->length = l->length << 8 | byte;
		return (--l->length_left > 0 || take_length(l));
	}
	l->length = byte & 0x7f;
	l->length_left = byte & 0x80 ? 3 : 0;
	return (l->length_left > 0 || take_length(l));
}

/* A record's header is whole: is it the one that must come now? */
static bool
take_header(struct look *l)
{
	const uint8_t *h = l->header;

	l->content_left = (size_t)h[4] << 8 | h[5];
	l->padding_left = h[6];
	if (h[0] != VERSION || (h[2] == 0 && h[3] == 0))
		return (false);
	if (h[1] != (l->has_begun ? PARAMS : BEGIN_REQUEST))
		return (false);
	if (h[1] == PARAMS && l->content_left == 0) {
		l->is_over = true;
		return (pair_is_whole(l));
	}
	return (true);
}

static bool
take_byte(struct look *l, uint8_t byte)
{
	if (l->header_len < HEADER_LEN) {
		l->header[l->header_len++] = byte;
		if (l->header_len == HEADER_LEN && !take_header(l))
			return (false);
	} else if (l->content_left > 0) {
		l->content_left--;
		if (l->has_begun && !take_pair_byte(l, byte))
			return (false);
	} else {
		l->padding_left--;
	}
	if (l->header_len == HEADER_LEN && l->content_left + l->padding_left == 0) {
		l->header_len = 0;
		l->has_begun = true;
	}
	return (++l->seen <= GATE_HEAD_MAX);
}

/* Of the next ${n} bytes, those of a name or value; without the last one, which ends it. */
static size_t
skip_text(struct look *l, size_t n)
{
	size_t left = l->content_left < l->pair_left ? l->content_left : l->pair_left;

	if (l->lengths_left > 0 || left < 2)
		return (0);
	if (n > left - 1)
		n = left - 1;
	l->content_left -= n;
	l->pair_left -= n;
	l->seen += n;
	return (n);
}

enum err
gate_head_look(int fd)
{
	struct look l = {0};
	uint8_t chunk[4096];
	const int start = 0;
	ssize_t n, i;

	pair_start(&l);
	/* from here on each peek goes on where the last one ended; what is read moves it back */
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start)) != 0)
		return (ERR_INVALID);
	while (!l.is_over) {
		if ((n = recv(fd, chunk, sizeof(chunk), MSG_PEEK)) <= 0)
			return (ERR_INVALID);
		i = 0;
		while (i < n && !l.is_over) {
			i += (ssize_t)skip_text(&l, (size_t)(n - i) - 1);
			if (!take_byte(&l, chunk[i++]))
				return (ERR_INVALID);
		}
	}
	return (ERR_OK);
}
