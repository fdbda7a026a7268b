/*
 * The limit of what can be answered: a pool of FastCGI responders, for dev/bench, that read a
 * request and answer as the service would, and do nothing else: no key, no JSON, no database.
 */
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG   1024
#define BYTES_MAX (1024 * 1024)

/* What a create answers. */
static const char created[] =
    "Status: 201\r\nContent-Type: application/json\r\n"
    "Location: /v1/config/notifications/01a20f80-7076-715f-a601-3cc3a94ef9dd\r\n"
    "X-RateLimit-Limit: 60000\r\nX-RateLimit-Remaining: 59999\r\nX-RateLimit-Reset: "
    "1900000000\r\n\r\n"
    "{\"success\":true,\"data\":{\"id\":\"01a20f80-7076-715f-a601-3cc3a94ef9dd\"}}";
static const char listed[] = "Status: 200\r\nContent-Type: application/json\r\n"
			     "X-RateLimit-Limit: 60000\r\nX-RateLimit-Remaining: "
			     "59999\r\nX-RateLimit-Reset: 1900000000\r\n\r\n";

static void
answer(FCGX_Request *r, const char *body, int body_len)
{
	const char *method = FCGX_GetParam("REQUEST_METHOD", r->envp);
	char dropped[65536];

	while (FCGX_GetStr(dropped, sizeof(dropped), r->in) > 0)
		;
	if (method != NULL && strcmp(method, "POST") == 0) {
		FCGX_PutStr(created, (int)sizeof(created) - 1, r->out);
		return;
	}
	FCGX_PutStr(listed, (int)sizeof(listed) - 1, r->out);
	FCGX_PutStr(body, body_len, r->out);
}

static void
serve(int fd, int body_len)
{
	static char body[BYTES_MAX];
	FCGX_Request r;

	memset(body, 'x', sizeof(body));
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	FCGX_InitRequest(&r, fd, 0);
	while (FCGX_Accept_r(&r) == 0) {
		answer(&r, body, body_len);
		FCGX_Finish_r(&r);
	}
	_exit(1);
}

int
main(int argc, char **argv)
{
	int fd, i, nprocesses = argc == 4 ? atoi(argv[2]) : 0;
	int body_len = argc == 4 ? atoi(argv[3]) : 0;

	if (nprocesses < 1 || body_len < 0 || body_len > BYTES_MAX) {
		fprintf(stderr,
		    "usage: nothing SOCKET PROCESSES BYTES\n"
		    "Answers POST as a create, and GET with so many bytes, until SIGTERM.\n");
		return (2);
	}
	if (FCGX_Init() != 0 || (fd = FCGX_OpenSocket(argv[1], BACKLOG)) < 0) {
		fprintf(stderr, "nothing: cannot listen on %s\n", argv[1]);
		return (1);
	}
	for (i = 0; i < nprocesses; i++) {
		if (fork() == 0)
			serve(fd, body_len);
	}
	while (wait(NULL) > 0)
		;
	return (0);
}
