/*
 * The limit of what can be sent: a bare loop over libcurl's multi interface, for dev/bench.  It
 * posts one body over and over, so many at once over kept connections, in the way that the courier
 * does it (curl_multi_socket_action and epoll), and does nothing else: no database, no rendering,
 * no signature, no policy.  Handles are used again.
 */
#include <curl/curl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define FILE_MAX   (1024 * 1024)

/* What is posted. */
struct request {
	const char *url, *ca_file;
	struct curl_slist *connect_to, *fields;
	char body[FILE_MAX];
};

struct loop {
	CURLM *multi;
	int epoll_fd;
	long wake_ms; /* libcurl's timeout; -1: none */
	/* Each flight connects with a request that does not count. */
	long nwarm, nleft, nrunning;
	long ndone, nfailed;
	double began;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((double)t.tv_sec + (double)t.tv_nsec / 1e9);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct loop *l = ctx;
	struct epoll_event e = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return (0);
	}
	e.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) |
		   ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
	epoll_ctl(l->epoll_fd, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e);
	curl_multi_assign(l->multi, fd, l);
	return (0);
}

static int
on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct loop *l = ctx;

	(void)multi;
	l->wake_ms = timeout_ms;
	return (0);
}

static size_t
on_body(char *data, size_t size, size_t n, void *ctx)
{
	(void)data;
	(void)ctx;
	return (size * n);
}

static void
add_flight(struct loop *l, const struct request *r)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		die("no memory");
	curl_easy_setopt(easy, CURLOPT_URL, r->url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, r->ca_file);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, r->connect_to);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->fields);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	if (curl_multi_add_handle(l->multi, easy) != CURLM_OK)
		die("curl_multi_add_handle");
	l->nrunning++;
}

/* One has ended: the same handle goes again, while there is something left to send. */
static void
next(struct loop *l, CURL *easy, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK || status < 200 || status > 299) {
		if (l->nfailed++ == 0)
			fprintf(
			    stderr, "a post failed: %ld, %s\n", status, curl_easy_strerror(code));
	}
	if (l->nwarm > 0) {
		if (--l->nwarm == 0)
			l->began = now();
	} else {
		l->ndone++;
	}
	curl_multi_remove_handle(l->multi, easy);
	if (l->nleft > 0) {
		l->nleft--;
		curl_multi_add_handle(l->multi, easy);
	} else {
		l->nrunning--;
		curl_easy_cleanup(easy);
	}
}

static void
reap(struct loop *l)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(l->multi, &left)) != NULL) {
		if (msg->msg == CURLMSG_DONE)
			next(l, msg->easy_handle, msg->data.result);
	}
}

static void
turn(struct loop *l)
{
	struct epoll_event events[EVENTS_MAX];
	int i, mask, running;
	int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, (int)l->wake_ms);

	if (n == 0 || l->wake_ms == 0) {
		l->wake_ms = -1;
		curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	for (i = 0; i < n; i++) {
		mask = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
		       ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
		       ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(l->multi, events[i].data.fd, mask, &running);
	}
	reap(l);
}

static void
read_file(const char *path, char out[static FILE_MAX])
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL)
		die("%s cannot be read", path);
	n = fread(out, 1, FILE_MAX - 1, f);
	out[n] = '\0';
	fclose(f);
}

/* A field a line. */
static void
read_fields(struct request *r, const char *path)
{
	static char text[FILE_MAX];
	char *line, *rest = NULL;

	read_file(path, text);
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		r->fields = curl_slist_append(r->fields, line);
}

int
main(int argc, char **argv)
{
	static struct request r;
	struct loop l = {.wake_ms = -1};
	long i, nflights;
	double seconds;

	if (argc != 8)
		die("usage: post_loop URL CONNECT-TO CA-FILE FIELDS-FILE BODY-FILE FLIGHTS POSTS\n"
		    "Posts the body, and prints how many a second went.");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	r.url = argv[1];
	r.connect_to = curl_slist_append(NULL, argv[2]);
	r.ca_file = argv[3];
	read_fields(&r, argv[4]);
	read_file(argv[5], r.body);
	nflights = atol(argv[6]);
	if (nflights < 1 || atol(argv[7]) < 1)
		die("post_loop: FLIGHTS and POSTS must be numbers from 1");
	l.nwarm = nflights;
	l.nleft = atol(argv[7]);
	l.multi = curl_multi_init();
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	curl_multi_setopt(l.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(l.multi, CURLMOPT_SOCKETDATA, &l);
	curl_multi_setopt(l.multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(l.multi, CURLMOPT_TIMERDATA, &l);
	curl_multi_setopt(l.multi, CURLMOPT_MAXCONNECTS, nflights);
	for (i = 0; i < nflights; i++)
		add_flight(&l, &r);
	while (l.nrunning > 0)
		turn(&l);
	seconds = now() - l.began;
	printf("{\"posts\":%ld,\"failed\":%ld,\"seconds\":%.6f}\n", l.ndone, l.nfailed, seconds);
	curl_multi_cleanup(l.multi);
	curl_slist_free_all(r.connect_to);
	curl_slist_free_all(r.fields);
	close(l.epoll_fd);
	curl_global_cleanup();
	return (l.nfailed == 0 ? 0 : 1);
}
