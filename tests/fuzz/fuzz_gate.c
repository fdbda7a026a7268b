/*
 * FastCGI, as the worker reads it from its socket: records that lie, streams that end, parameters
 * of any form.  What is taken for a whole request has the bytes that it says, and is answered.
 *
 * An input that begins with '=' is a request in short form, so that mutations get behind the
 * records: lines NAME=VALUE up to an empty one, then the body.  Any other goes to the socket as it
 * is.
 */
#include "adapters/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz.h"

#define INPUT_MAX  (300 * 1024)
#define SENT_MAX   (2 * INPUT_MAX)
#define RECORD_MAX 60000
#define ANSWER     "{\"success\":true}"

enum record { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

/* LeakSanitizer asks.  Among the records of a body libfcgi 2.4.2 still forgets 48 bytes for each
 * management record of a type that it does not know (FastCGI-Archives/fcgi2, pull request 43). */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return ("leak:libfcgi");
}

/* Append one record's header and content. */
static void
put_record(struct buf *b, enum record type, struct slice content)
{
	buf_addc(b, 1);
	buf_addc(b, (char)type);
	buf_add(b, slice_make("\0\1", 2));
	buf_addc(b, (char)(content.len >> 8));
	buf_addc(b, (char)content.len);
	buf_add(b, slice_make("\0\0", 2));
	buf_add(b, content);
}

/* Append a stream: its records, and the empty one that ends it. */
static void
put_stream(struct buf *b, enum record type, struct slice content)
{
	size_t n;

	while (content.len > 0) {
		n = content.len < RECORD_MAX ? content.len : RECORD_MAX;
		put_record(b, type, slice_make(content.ptr, n));
		content = slice_skip(content, n);
	}
	put_record(b, type, slice_make("", 0));
}

static void
put_length(struct buf *b, size_t n)
{
	if (n > 127) {
		buf_addc(b, (char)(0x80 | n >> 24));
		buf_addc(b, (char)(n >> 16));
		buf_addc(b, (char)(n >> 8));
	}
	buf_addc(b, (char)n);
}

/* Make records of the short form. */
static void
put_short_form(struct buf *b, struct slice rest)
{
	struct slice line, name;
	struct buf params;

	buf_init(&params, SENT_MAX);
	while ((line = fuzz_line(&rest)).len > 0) {
		(void)slice_split(&line, '=', &name);
		put_length(&params, name.len);
		put_length(&params, line.len);
		buf_add(&params, name);
		buf_add(&params, line);
	}
	put_record(b, BEGIN_REQUEST, slice_make("\0\1\0\0\0\0\0\0", 8));
	put_stream(b, PARAMS, buf_slice(&params));
	put_stream(b, STDIN, rest);
	buf_clear(&params);
}

/* A listening socket without a name in the file system. */
static int
listen_new(struct sockaddr_un *addr, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	*len = sizeof(addr->sun_family); /* the kernel chooses an abstract one */
	MUST(fd >= 0 && bind(fd, (struct sockaddr *)addr, *len) == 0 && listen(fd, 8) == 0);
	*len = sizeof(*addr);
	MUST(getsockname(fd, (struct sockaddr *)addr, len) == 0);
	return (fd);
}

/* Connect and send all of ${bytes}, then nothing more; the socket's buffer takes it. */
static int
send_all(const struct sockaddr_un *addr, socklen_t len, struct slice bytes)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 4 * SENT_MAX;

	MUST(fd >= 0);
	MUST(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) == 0 ||
	     setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
	MUST(connect(fd, (const struct sockaddr *)addr, len) == 0);
	MUST(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	/* what does not fit is a truncated stream, which is as good an input */
	(void)!send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
	MUST(shutdown(fd, SHUT_WR) == 0);
	return (fd);
}

/* Is ${s} absent, or a text that ends where it says? */
static bool
is_text(struct slice s)
{
	return (s.ptr == NULL ? s.len == 0 : strlen(s.ptr) == s.len);
}

/* What must be true of a request that came through. */
static void
check_request(const struct gate_request *r)
{
	MUST(is_text(r->id) && is_text(r->method) && is_text(r->target));
	MUST(is_text(r->content_type) && is_text(r->authorization));
	MUST(is_text(r->project_id) && is_text(r->idempotency_key));
	MUST(r->body.len <= GATE_BODY_MAX);
	MUST(r->body_state < GATE_BODY__MAX);
	MUST(!r->project_id_repeated || r->project_id.ptr != NULL);
	MUST(!r->idempotency_key_repeated || r->idempotency_key.ptr != NULL);
	MUST(r->body.ptr == NULL || r->body.ptr[r->body.len] == '\0');
}

/* The short form tells without FastCGI what is to come out of it. */
static void
check_short_form(const struct gate_request *r, struct slice rest)
{
	struct slice line, name, method = {NULL, 0};
	bool has_length = false;
	uint64_t length = 0;
	enum err e = ERR_OK;

	while ((line = fuzz_line(&rest)).len > 0) {
		if (memchr(line.ptr, '\0', line.len) != NULL)
			return; /* an environment cannot hold it whole */
		(void)slice_split(&line, '=', &name);
		if (line.ptr == NULL)
			line = slice_of("");
		if (method.ptr == NULL && slice_eq(name, slice_of("REQUEST_METHOD")))
			method = line;
		if (!has_length && slice_eq(name, slice_of("CONTENT_LENGTH"))) {
			has_length = line.len > 0;
			e = has_length ? text_u64(line, UINT64_MAX, &length) : ERR_OK;
			if (!has_length)
				return; /* an empty one; a second does not count */
		}
	}
	MUST((r->method.ptr == NULL) == (method.ptr == NULL) && slice_eq(r->method, method));
	if (has_length)
		MUST((r->body_state == GATE_BODY_WHOLE) ==
		     (e == ERR_OK && length == rest.len && length <= GATE_BODY_MAX));
	else
		MUST((r->body_state == GATE_BODY_WHOLE) == (rest.len <= GATE_BODY_MAX));
	if (r->body_state == GATE_BODY_WHOLE)
		MUST(slice_eq(slice_make(r->body.ptr, r->body.len), rest));
}

/* Answer as the API does, and see that this comes to the peer: whole, and once. */
static void
check_answer(struct gate *g, const struct gate_request *r, int peer)
{
	bool whole = r->body_state == GATE_BODY_WHOLE;
	bool head = slice_eq(r->method, slice_of("HEAD"));
	char got[4096];
	enum err e;
	ssize_t n;

	e = gate_answer(g, 200, slice_of("X: y\r\n"), slice_of(ANSWER));
	if (!whole)
		return; /* may have been cut */
	MUST(e == ERR_OK);
	MUST((n = recv(peer, got, sizeof(got), 0)) > 0);
	MUST(memmem(got, (size_t)n, "Status: 200\r\n", 13) != NULL);
	MUST(head == (memmem(got, (size_t)n, ANSWER, strlen(ANSWER)) == NULL));
	MUST(recv(peer, got, sizeof(got), 0) <= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sockaddr_un addr;
	static socklen_t addr_len;
	static int listener = -1;
	const struct gate_request *r = NULL;
	struct slice input = slice_make(size == 0 ? (const void *)"" : data, size);
	bool is_short = size > 0 && data[0] == '=';
	struct gate *g;
	struct buf sent;
	enum err e;
	int peer;

	if (size > INPUT_MAX)
		return (0);
	if (listener < 0) {
		log_setup("fuzz", LOG_LEVEL_ERROR);
		(void)signal(SIGPIPE, SIG_IGN);
		listener = listen_new(&addr, &addr_len);
	}
	buf_init(&sent, SENT_MAX);
	if (is_short)
		put_short_form(&sent, slice_skip(input, 1));
	else
		buf_add(&sent, input);
	MUST((g = gate_new(listener)) != NULL);
	peer = send_all(&addr, addr_len, buf_slice(&sent));
	e = gate_accept(g, &r);
	MUST(e == ERR_OK || e == ERR_INVALID);
	MUST(e == ERR_OK || !is_short || !buf_ok(&sent));
	if (e == ERR_OK) {
		check_request(r);
		if (is_short)
			check_short_form(r, slice_skip(input, 1));
		check_answer(g, r, peer);
	}
	gate_free(g);
	close(peer);
	buf_clear(&sent);
	return (0);
}
