/*
 * The only room that speaks libfcgi.  It accepts connections itself and hands libfcgi the
 * descriptor: so reads have a time limit, a broken request is seen and logged, and a worker never
 * blocks in accept.
 */
#include "adapters/gate.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "adapters/gate_head.h"
#include "base/log.h"

#define IO_TIMEOUT_S 5 /* a web server on the same machine is never slower between two bytes */

struct gate {
	int listen_fd;
	int no_fd; /* not a socket: libfcgi, when it wants to accept for itself, gets ENOTSOCK */
	FCGX_Request fcgi;
	struct gate_request request;
};

struct gate *
gate_new(int listen_fd)
{
	struct gate *g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return (NULL);
	g->listen_fd = listen_fd;
	g->fcgi.ipcFd = -1;
	buf_init(&g->request.body, GATE_BODY_MAX);
	g->no_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (g->no_fd < 0 || FCGX_Init() != 0 || FCGX_InitRequest(&g->fcgi, g->no_fd, 0) != 0) {
		gate_free(g);
		return (NULL);
	}
	return (g);
}

/*
 * Send what is left of the answer, close the connection and wipe what the request held; false where
 * the peer went away.  The stream that is closed last ends the request, in one write with the rest
 * of the answer.  libfcgi closes by waiting until the peer has closed, lest unread bytes cost it
 * the answer; where all was read we do not wait.
 */
static bool
end_request(struct gate *g)
{
	bool is_read = g->request.body_state == GATE_BODY_WHOLE;
	bool sent = FCGX_FClose(g->fcgi.err) == 0 && FCGX_FClose(g->fcgi.out) == 0;

	g->fcgi.keepConnection = is_read;
	FCGX_Finish_r(&g->fcgi);
	if (g->fcgi.ipcFd >= 0)
		close(g->fcgi.ipcFd);
	g->fcgi.ipcFd = -1;
	buf_clear(&g->request.body);
	return (sent);
}

void
gate_free(struct gate *g)
{
	if (g == NULL)
		return;
	(void)end_request(g);
	if (g->no_fd >= 0)
		close(g->no_fd);
	free(g);
}

/* Take the next connection from the queue; it times out. */
static int
accept_one(struct gate *g)
{
	const struct timeval limit = {IO_TIMEOUT_S, 0};
	int fd;

	if ((fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
		return (-1);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return (fd);
}

/* The value of the parameter ${name}; ${repeated} (may be NULL) tells whether it stands there
 * twice. */
static struct slice
param(const struct gate *g, const char *name, bool *repeated)
{
	struct slice found = {NULL, 0}, key = slice_of(name), entry;
	char **p;

	if (repeated != NULL)
		*repeated = false;
	for (p = g->fcgi.envp; *p != NULL; p++) {
		entry = slice_of(*p);
		if (!slice_starts(entry, key) || entry.ptr[key.len] != '=')
			continue;
		if (found.ptr == NULL)
			found = slice_skip(entry, key.len + 1);
		else if (repeated != NULL)
			*repeated = true;
	}
	return (found);
}

/* Read what is left of the body, at most ${want} bytes and one more that must not be there. */
static enum gate_body
read_body(struct gate *g, size_t want, bool exact)
{
	struct buf *body = &g->request.body;
	char chunk[8192];
	size_t ask;
	int n;

	do {
		ask = want - body->len < sizeof(chunk) ? want - body->len : sizeof(chunk);
		n = ask == 0 ? 0 : FCGX_GetStr(chunk, (int)ask, g->fcgi.in);
		buf_add(body, slice_make(chunk, (size_t)n));
	} while (n > 0);
	explicit_bzero(chunk, sizeof(chunk));
	if (FCGX_GetError(g->fcgi.in) != 0)
		return (GATE_BODY_UNEQUAL);
	if (!buf_ok(body))
		return (GATE_BODY_NOMEM);
	if (exact && body->len != want)
		return (GATE_BODY_UNEQUAL);
	if (FCGX_GetChar(g->fcgi.in) != EOF)
		return (exact ? GATE_BODY_UNEQUAL : GATE_BODY_OVER);
	return (GATE_BODY_WHOLE);
}

/* Read the body as far as CONTENT_LENGTH and the limit allow. */
static enum gate_body
take_body(struct gate *g)
{
	struct slice length = param(g, "CONTENT_LENGTH", NULL);
	uint64_t n = 0;

	if (length.len == 0)
		return (read_body(g, GATE_BODY_MAX, false));
	if (text_u64(length, UINT64_MAX, &n) != ERR_OK)
		return (GATE_BODY_UNEQUAL);
	if (n > GATE_BODY_MAX)
		return (GATE_BODY_OVER);
	return (read_body(g, (size_t)n, true));
}

/* Gather the parameters that the API looks at. */
static void
take_params(struct gate *g)
{
	struct gate_request *r = &g->request;

	r->id = param(g, "REQUEST_ID", NULL);
	r->method = param(g, "REQUEST_METHOD", NULL);
	r->target = param(g, "REQUEST_URI", NULL);
	r->content_type = param(g, "CONTENT_TYPE", NULL);
	r->authorization = param(g, "HTTP_AUTHORIZATION", NULL);
	r->project_id = param(g, "HTTP_X_PROJECT_ID", &r->project_id_repeated);
	r->idempotency_key = param(g, "HTTP_IDEMPOTENCY_KEY", &r->idempotency_key_repeated);
}

static void
log_broken(void)
{
	log_warn("fcgi.broken", LOG_STR("why", "the web server's request was cut or malformed"));
}

enum err
gate_accept(struct gate *g, const struct gate_request **out)
{
	int fd;

	if ((fd = accept_one(g)) < 0)
		return (ERR_DOWN);
	if (gate_head_look(fd) != ERR_OK) {
		close(fd);
		log_broken();
		return (ERR_INVALID);
	}
	/* a descriptor that is set, with keepConnection, is used by libfcgi as if it were a kept
	 * connection's */
	g->fcgi.ipcFd = fd;
	g->fcgi.keepConnection = 1;
	if (FCGX_Accept_r(&g->fcgi) != 0) {
		log_broken();
		return (ERR_INVALID);
	}
	take_params(g);
	g->request.body_state = take_body(g);
	(void)buf_str(&g->request.body); /* ends it with a NUL, for who hands it on as a text */
	*out = &g->request;
	return (ERR_OK);
}

enum err
gate_answer(struct gate *g, int status, struct slice headers, struct slice body)
{
	bool head = slice_eq(g->request.method, slice_of("HEAD"));

	FCGX_FPrintF(g->fcgi.out, "Status: %d\r\nContent-Length: %d\r\n", status, (int)body.len);
	FCGX_PutStr(headers.ptr, (int)headers.len, g->fcgi.out);
	FCGX_FPrintF(g->fcgi.out, "\r\n");
	if (!head)
		FCGX_PutStr(body.ptr, (int)body.len, g->fcgi.out);
	return (end_request(g) ? ERR_OK : ERR_IO);
}
