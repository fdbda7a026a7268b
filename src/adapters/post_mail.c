/*
 * Mail: libcurl connects, up to STARTTLS and AUTH, and then we speak ourselves, MAIL to the last
 * dot (RFC 5321 §3.3).  libcurl could do that too, but it blocks: its smtp_done() waits for the
 * reply to the message, and its smtp_disconnect() for the one to QUIT, with the whole loop
 * (measured, 7.88).  A connection that has delivered is kept for the next message.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "adapters/post_part.h"
#include "base/mem.h"

#define LINE_IDLE_MS 30000 /* relays close idle connections, some after a minute */

/* libcurl's part --------------------------------------------------------------------------- */

void
post_mail_hang_up(const struct post_flight *f)
{
	const struct post *p = f->post;
	size_t i;

	for (i = 0; i < p->nsockets; i++) {
		if (p->sockets[i].owner == f)
			(void)shutdown(p->sockets[i].fd, SHUT_RDWR);
	}
}

/* A line of a reply while libcurl connects.  After an error it would say QUIT, and wait. */
static size_t
on_reply(char *data, size_t size, size_t n, void *ctx)
{
	struct post_flight *f = ctx;
	struct slice line = slice_make(data, size * n);

	if (line.len < POST_BODY_MAX - f->body.len)
		buf_add(&f->body, line);
	post_trace_reply(&f->trace, line);
	if (f->trace.code >= 400)
		post_mail_hang_up(f);
	return (size * n);
}

/* libcurl's talk with the relay: only the commands' names are looked at, never what they say. */
static int
on_talk(CURL *easy, curl_infotype type, char *data, size_t len, void *ctx)
{
	struct post_flight *f = ctx;

	(void)easy;
	if (type == CURLINFO_HEADER_OUT && post_trace_command(&f->trace, slice_make(data, len)))
		buf_reset(&f->body);
	return (0);
}

CURLcode
post_mail_set(struct post_flight *f)
{
	const struct settings *s = f->post->settings;
	char text[2 * URL_HOST_MAX + 32], name[URL_HOST_MAX + 2];
	CURLcode code = post_set_common(f);

	snprintf(text, sizeof(text), "smtp%s://%s:%u/%s", s->relay.tls ? "s" : "",
	    post_bracketed(s->relay.host, name), s->relay.port, s->relay.path);
	POST_SET(f, code, CURLOPT_URL, text);
	POST_SET(f, code, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	POST_SET(f, code, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	if (s->smtp_user[0] != '\0') {
		POST_SET(f, code, CURLOPT_USERNAME, s->smtp_user);
		POST_SET(f, code, CURLOPT_PASSWORD, buf_str(&f->post->password));
	}
	POST_SET(f, code, CURLOPT_CONNECT_ONLY, 1L);
	POST_SET(f, code, CURLOPT_HEADERFUNCTION, on_reply);
	POST_SET(f, code, CURLOPT_HEADERDATA, f);
	POST_SET(f, code, CURLOPT_DEBUGFUNCTION, on_talk);
	POST_SET(f, code, CURLOPT_DEBUGDATA, f);
	POST_SET(f, code, CURLOPT_VERBOSE, 1L);
	return (code == CURLE_OK ? post_set_target(f, s->relay.host, s->relay.port) : code);
}

/* Lines ------------------------------------------------------------------------------------ */

/* Close a connection.  libcurl itself says no QUIT to one that it only connected. */
static void
line_close(struct post *p, CURL *easy, bool polite)
{
	size_t n;

	if (polite)
		(void)curl_easy_send(easy, "QUIT\r\n", 6, &n);
	(void)curl_multi_remove_handle(p->multi, easy);
	curl_easy_cleanup(easy);
}

/* Close the connection of ${f}. */
static void
line_drop(struct post_flight *f, bool polite)
{
	line_close(f->post, f->easy, polite);
	f->easy = NULL;
	f->is_added = false;
}

/* Is there something to read on ${fd}?  Of an idle connection that is its end. */
static bool
is_readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return (poll(&pfd, 1, 0) != 0);
}

/* Keep the connection of ${f}, which has delivered. */
static void
line_keep(struct post_flight *f)
{
	struct post *p = f->post;
	struct post_line *l;

	if (p->nlines == POST_LINES_MAX)
		return;
	l = &p->lines[p->nlines++];
	*l = (struct post_line){.easy = f->easy, .fd = f->talk.fd};
	l->since_ms = clock_mono_ms(&p->clock);
	memcpy(l->peer, f->peer, sizeof(l->peer));
	f->easy = NULL;
	f->is_added = false;
}

void
post_mail_close_lines(struct post *p)
{
	while (p->nlines > 0)
		line_close(p, p->lines[--p->nlines].easy, true);
}

/* Speaking --------------------------------------------------------------------------------- */

static void
watch(struct post_flight *f, unsigned int events)
{
	struct post *p = f->post;

	if (events != f->talk.watched)
		p->watcher.watch(p->watcher.ctx, f->talk.fd, events);
	f->talk.watched = events;
}

/* ${f} speaks no more; its connection is its own still. */
static void
talk_end(struct post_flight *f)
{
	struct post_talk *t = &f->talk;

	if (t->link == NULL)
		return;
	watch(f, 0);
	*t->link = t->next;
	if (t->next != NULL)
		t->next->talk.link = t->link;
	t->link = NULL;
}

void
post_mail_clear(struct post_flight *f)
{
	bool spoke = f->talk.link != NULL;

	talk_end(f);
	if (spoke && f->easy != NULL)
		line_drop(f, false);
	if (f->talk.recipient != NULL)
		mem_wipe(f->talk.recipient, strlen(f->talk.recipient));
	free(f->talk.recipient);
	buf_clear(&f->talk.out);
	buf_clear(&f->talk.in);
}

/* The message with its dots doubled (RFC 5321 §4.5.2), and the last one. */
static void
put_message(struct buf *b, struct slice message)
{
	struct slice line;
	const char *end;

	while (message.len > 0) {
		end = memchr(message.ptr, '\n', message.len);
		line = slice_make(
		    message.ptr, end == NULL ? message.len : (size_t)(end - message.ptr) + 1);
		if (line.ptr[0] == '.')
			buf_addc(b, '.');
		buf_add(b, line);
		message = slice_skip(message, line.len);
	}
	if (b->len > 0 && b->ptr[b->len - 1] != '\n')
		buf_add(b, slice_of("\r\n"));
	buf_add(b, slice_of(".\r\n"));
}

/* Put down what is said at ${step}. */
static void
say(struct post_flight *f, enum outcome_step step)
{
	struct post_talk *t = &f->talk;

	f->trace.step = step;
	f->trace.code = 0;
	buf_reset(&f->body);
	buf_reset(&t->in);
	buf_reset(&t->out);
	t->sent = 0;
	if (step == OUTCOME_STEP_MAIL)
		buf_printf(&t->out, "MAIL FROM:<%s>\r\n", f->post->settings->mail_envelope_from);
	else if (step == OUTCOME_STEP_RCPT)
		buf_printf(&t->out, "RCPT TO:<%s>\r\n", t->recipient);
	else if (step == OUTCOME_STEP_DATA)
		buf_add(&t->out, slice_of("DATA\r\n"));
	else
		put_message(&t->out, t->message);
}

/* The talk ended without a reply.  A kept connection may have died unseen: then begin anew. */
static void
broke_off(struct post_flight *f, const char *detail)
{
	CURLcode code = CURLE_FAILED_INIT;

	if (!f->is_reused || f->trace.step != OUTCOME_STEP_MAIL) {
		post_flight_end(f, OUTCOME_WAY_CUT, detail);
		return;
	}
	f->is_reused = false;
	f->trace.step = OUTCOME_STEP_CONNECT;
	talk_end(f);
	line_drop(f, false);
	if ((f->easy = curl_easy_init()) != NULL)
		code = post_mail_set(f);
	if (code != CURLE_OK || curl_multi_add_handle(f->post->multi, f->easy) != CURLM_OK) {
		post_flight_end(f, OUTCOME_WAY_SELF, "no memory");
		return;
	}
	f->is_added = true;
}

/* The relay has replied: go on to the next step.  False: ${f} has ended, and is gone. */
static bool
replied(struct post_flight *f)
{
	static const int wanted[OUTCOME_STEP__MAX] = {
	    [OUTCOME_STEP_MAIL] = 2,
	    [OUTCOME_STEP_RCPT] = 2,
	    [OUTCOME_STEP_DATA] = 3,
	    [OUTCOME_STEP_MESSAGE] = 2,
	};
	enum outcome_step step = f->trace.step;
	bool is_good = f->trace.code / 100 == wanted[step];

	if (is_good && step != OUTCOME_STEP_MESSAGE) {
		say(f, step + 1);
		return (true);
	}
	talk_end(f);
	if (is_good)
		line_keep(f);
	if (f->easy != NULL)
		line_drop(f, true);
	post_flight_end(f, OUTCOME_WAY_ANSWERED, "");
	return (false);
}

/* Take in what was read; true where a reply has become whole. */
static bool
hear(struct post_flight *f, struct slice data)
{
	struct buf *in = &f->talk.in;
	size_t i;

	for (i = 0; i < data.len && f->trace.code == 0; i++) {
		buf_addc(in, data.ptr[i]);
		if (data.ptr[i] != '\n')
			continue;
		if (in->len < POST_BODY_MAX - f->body.len)
			buf_add(&f->body, buf_slice(in));
		post_trace_reply(&f->trace, buf_slice(in));
		buf_reset(in);
	}
	return (f->trace.code != 0);
}

/* Say what is to be said.  CURLE_AGAIN: not all of it went out. */
static CURLcode
flush(struct post_flight *f)
{
	struct post_talk *t = &f->talk;
	CURLcode code = CURLE_OK;
	size_t n;

	while (t->sent < t->out.len && code == CURLE_OK) {
		n = 0;
		code = curl_easy_send(f->easy, t->out.ptr + t->sent, t->out.len - t->sent, &n);
		t->sent += n;
	}
	return (code);
}

/* Speak and listen as long as something moves; ${f} may be gone afterwards. */
static void
go_on(struct post_flight *f)
{
	char data[4096];
	CURLcode code;
	size_t n = 0;

	for (;;) {
		code = flush(f);
		watch(f, POST_READ | (code == CURLE_AGAIN ? (unsigned int)POST_WRITE : 0U));
		if (code == CURLE_OK || code == CURLE_AGAIN) {
			n = 0;
			code = curl_easy_recv(f->easy, data, sizeof(data), &n);
			if (code == CURLE_AGAIN)
				return;
		}
		if (code != CURLE_OK || n == 0 || !buf_ok(&f->talk.in) || !buf_ok(&f->talk.out)) {
			broke_off(f, code == CURLE_OK ? "the relay has closed the connection"
						      : curl_easy_strerror(code));
			return;
		}
		if (hear(f, slice_make(data, n)) && !replied(f))
			return;
	}
}

/* Begin to speak on the connection of ${f}. */
static void
begin(struct post_flight *f)
{
	struct post *p = f->post;
	struct post_talk *t = &f->talk;

	t->next = p->speaking;
	t->link = &p->speaking;
	if (t->next != NULL)
		t->next->talk.link = &t->next;
	p->speaking = f;
	t->deadline_ms = f->began_ms + p->settings->total_timeout_s * 1000;
	t->watched = 0;
	say(f, OUTCOME_STEP_MAIL);
	watch(f, POST_READ | POST_WRITE);
	post_set_timer(p);
}

bool
post_mail_take_line(struct post_flight *f)
{
	struct post *p = f->post;
	int64_t now_ms = clock_mono_ms(&p->clock);
	struct post_line l;

	while (p->nlines > 0) {
		l = p->lines[--p->nlines];
		if (now_ms - l.since_ms > LINE_IDLE_MS || is_readable(l.fd)) {
			line_close(p, l.easy, true);
			continue;
		}
		f->easy = l.easy;
		f->is_added = true;
		f->talk.fd = l.fd;
		memcpy(f->peer, l.peer, sizeof(f->peer));
		f->is_reused = true;
		begin(f);
		return (true);
	}
	return (false);
}

void
post_mail_connected(struct post_flight *f)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct post *p = f->post;
	size_t i;

	/* the handle may outlive this flight, to which its callbacks would come */
	(void)curl_easy_setopt(f->easy, CURLOPT_VERBOSE, 0L);
	for (i = 0; i < p->nsockets; i++) {
		if (p->sockets[i].owner == f)
			p->sockets[i].owner = NULL;
	}
	if (curl_easy_getinfo(f->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
	    fd == CURL_SOCKET_BAD) {
		post_flight_end(f, OUTCOME_WAY_CUT, "the relay has closed the connection");
		return;
	}
	f->talk.fd = fd;
	post_measure(f);
	begin(f);
}

bool
post_mail_on_ready(struct post *p, int fd)
{
	struct post_flight *f;

	for (f = p->speaking; f != NULL; f = f->talk.next) {
		if (f->talk.fd == fd) {
			go_on(f);
			return (true);
		}
	}
	return (false);
}

void
post_mail_on_timer(struct post *p, int64_t now_ms)
{
	struct post_flight *f = p->speaking, *next;

	for (; f != NULL; f = next) {
		next = f->talk.next;
		if (f->talk.deadline_ms <= now_ms) {
			post_flight_end(f, OUTCOME_WAY_TIMEOUT, "Timeout was reached");
			next = p->speaking; /* the callback may have ended others */
		}
	}
}

int64_t
post_mail_next_ms(const struct post *p)
{
	const struct post_flight *f;
	int64_t next_ms = -1;

	for (f = p->speaking; f != NULL; f = f->talk.next) {
		if (next_ms < 0 || f->talk.deadline_ms < next_ms)
			next_ms = f->talk.deadline_ms;
	}
	return (next_ms);
}
