/*
 * What leaves: HTTPS and SMTP by libcurl's multi interface, which the courier's epoll drives.  Each
 * transfer gets a handle of its own, since a used one keeps the last URL; what is worth keeping,
 * connections and names, lives in the multi handle.  Here is a transfer's life; where it may go is
 * in post_open.c, what is said in post_http.c and post_mail.c, what it means in post_map.c.
 */
#include "adapters/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/post_part.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "domain/credentials.h"
#include "domain/egress.h"

#define PASSWORD_MAX 1024 /* bytes */

/* Waking and watching ---------------------------------------------------------------------- */

/* The earlier of two times, where -1 is none. */
static int64_t
earlier(int64_t a, int64_t b)
{
	if (a < 0 || b < 0)
		return (a < 0 ? b : a);
	return (a < b ? a : b);
}

void
post_set_timer(struct post *p)
{
	int64_t at_ms = earlier(p->curl_wake_at_ms, post_mail_next_ms(p)), after_ms = -1;

	if (p->has_settled)
		after_ms = 0;
	else if (at_ms >= 0)
		after_ms = at_ms - clock_mono_ms(&p->clock);
	p->watcher.wake(p->watcher.ctx, at_ms >= 0 && after_ms < 0 ? 0 : after_ms);
}

static int
on_timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
	struct post *p = ctx;

	(void)multi;
	p->curl_wake_at_ms = timeout_ms < 0 ? -1 : clock_mono_ms(&p->clock) + timeout_ms;
	post_set_timer(p);
	return (0);
}

static int
on_watch_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *fd_ctx)
{
	static const unsigned int events[] = {
	    [CURL_POLL_IN] = POST_READ,
	    [CURL_POLL_OUT] = POST_WRITE,
	    [CURL_POLL_INOUT] = POST_READ | POST_WRITE,
	    [CURL_POLL_REMOVE] = 0,
	};
	struct post *p = ctx;

	(void)easy;
	(void)fd_ctx;
	p->watcher.watch(p->watcher.ctx, fd, events[what]);
	return (0);
}

/* A flight's life -------------------------------------------------------------------------- */

static struct post_flight *
flight_new(struct post *p, post_done *done, void *ctx)
{
	struct post_flight *f;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return (NULL);
	f->post = p;
	f->done = done;
	f->ctx = ctx;
	f->began_ms = clock_mono_ms(&p->clock);
	buf_init(&f->body, POST_BODY_MAX);
	buf_init(&f->talk.out, POST_MESSAGE_MAX);
	buf_init(&f->talk.in, POST_REPLY_MAX);
	f->next = p->flights;
	f->link = &p->flights;
	if (f->next != NULL)
		f->next->link = &f->next;
	p->flights = f;
	p->nflights++;
	return (f);
}

/* Overwrite and free the lines of ${list}, which may bear secrets. */
static void
list_wipe(struct curl_slist **list)
{
	struct curl_slist *l;

	for (l = *list; l != NULL; l = l->next)
		mem_wipe(l->data, strlen(l->data));
	curl_slist_free_all(*list);
	*list = NULL;
}

static void
flight_free(struct post_flight *f)
{
	size_t i;

	post_mail_clear(f);
	if (f->is_added)
		(void)curl_multi_remove_handle(f->post->multi, f->easy);
	curl_easy_cleanup(f->easy); /* may be NULL */
	for (i = 0; i < f->post->nsockets; i++) {
		if (f->post->sockets[i].owner == f)
			f->post->sockets[i].owner = NULL;
	}
	list_wipe(&f->fields);
	list_wipe(&f->connect_to);
	list_wipe(&f->resolve);
	buf_clear(&f->body);
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	f->post->nflights--;
	mem_wipe(f, sizeof(*f));
	free(f);
}

/* Start ${f}, whose options are set, or let it end at the next turn of the loop. */
static enum err
flight_launch(struct post_flight *f, CURLcode code, struct post_flight **out)
{
	if (code == CURLE_OK && f->trace.verdict == OUTCOME_WAY_ANSWERED) {
		if (curl_multi_add_handle(f->post->multi, f->easy) != CURLM_OK)
			code = CURLE_OUT_OF_MEMORY;
		f->is_added = code == CURLE_OK;
	} else if (code == CURLE_OK) {
		f->post->has_settled = true;
		post_set_timer(f->post);
	}
	if (code != CURLE_OK) {
		log_error("post.setup", LOG_STR("error", curl_easy_strerror(code)));
		flight_free(f);
		return (ERR_NOMEM);
	}
	if (out != NULL)
		*out = f;
	return (ERR_OK);
}

enum err
post_http_start(struct post *p, const struct post_http *message, post_done *done, void *ctx,
    struct post_flight **out)
{
	CURLcode code = CURLE_OUT_OF_MEMORY;
	enum url_fault fault;
	struct post_flight *f;
	struct url url;
	enum err e;

	if ((e = url_parse(message->url, &url, &fault)) != ERR_OK)
		return (e);
	if (!post_http_is_sound(message))
		return (ERR_INVALID);
	if ((f = flight_new(p, done, ctx)) == NULL)
		return (ERR_NOMEM);
	memcpy(f->host, url.host, sizeof(f->host));
	f->pin = egress_pin_find(&p->settings->egress, url.host, url.port);
	f->trace.is_proxied = post_is_proxied(f);
	if (!egress_host_is_allowed(&p->settings->egress, url.host, url.port))
		f->trace.verdict = OUTCOME_WAY_EGRESS;
	if ((f->easy = curl_easy_init()) != NULL)
		code = post_http_set(f, message, &url);
	return (flight_launch(f, code, out));
}

enum err
post_mail_start(struct post *p, const struct post_mail *message, post_done *done, void *ctx,
    struct post_flight **out)
{
	const struct egress_server *relay = &p->settings->relay;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	struct post_flight *f;

	if (!credentials_is_address(message->recipient) || message->message.len == 0)
		return (ERR_INVALID);
	if ((f = flight_new(p, done, ctx)) == NULL)
		return (ERR_NOMEM);
	f->is_mail = f->trace.is_mail = true;
	f->talk.message = message->message;
	memcpy(f->host, relay->host, sizeof(f->host));
	f->pin = egress_pin_find(&p->settings->egress, relay->host, relay->port);
	f->talk.recipient = strndup(message->recipient.ptr, message->recipient.len);
	if (f->talk.recipient != NULL && relay->port == 0) {
		f->trace.verdict = OUTCOME_WAY_SELF;
		code = CURLE_OK;
	} else if (f->talk.recipient != NULL && post_mail_take_line(f)) {
		if (out != NULL)
			*out = f;
		return (ERR_OK);
	} else if (f->talk.recipient != NULL && (f->easy = curl_easy_init()) != NULL) {
		code = post_mail_set(f);
	}
	return (flight_launch(f, code, out));
}

void
post_cancel(struct post_flight *f)
{
	flight_free(f);
}

/* The end of a flight ---------------------------------------------------------------------- */

static int64_t
info_ms(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	if (curl_easy_getinfo(easy, what, &us) != CURLE_OK)
		return (0);
	return ((int64_t)((us + 999) / 1000));
}

static long
info_long(CURL *easy, CURLINFO what)
{
	long value = 0;

	return (curl_easy_getinfo(easy, what, &value) == CURLE_OK ? value : 0);
}

void
post_measure(struct post_flight *f)
{
	const char *peer = NULL;

	f->is_reused = info_long(f->easy, CURLINFO_NUM_CONNECTS) == 0 && f->trace.code != 0;
	if (!f->is_reused)
		f->connect_ms = info_ms(f->easy, CURLINFO_APPCONNECT_TIME_T);
	if (curl_easy_getinfo(f->easy, CURLINFO_PRIMARY_IP, &peer) == CURLE_OK && peer != NULL)
		snprintf(f->peer, sizeof(f->peer), "%s", peer);
}

/* Our own faults are told here, where they are seen first. */
static void
tell_fault(const struct post_flight *f, const struct post_result *r)
{
	if (r->answer.way == OUTCOME_WAY_SELF || r->answer.way == OUTCOME_WAY_PROXY)
		log_error("post.fault", LOG_STR("kind", f->is_mail ? "mail" : "http"),
		    LOG_STR("way", outcome_way_words[r->answer.way]), LOG_STR("error", r->detail));
}

void
post_flight_end(struct post_flight *f, enum outcome_way way, const char *detail)
{
	struct post_result r;

	memset(&r, 0, sizeof(r));
	r.answer.way = way;
	r.answer.step = f->trace.step;
	r.answer.status = f->trace.code;
	r.answer.host = slice_of(f->host);
	r.answer.body = buf_slice(&f->body);
	r.answer.retry_after = slice_of(f->kept[POST_KEPT_RETRY_AFTER]);
	r.answer.rate_remaining = slice_of(f->kept[POST_KEPT_RATE_REMAINING]);
	r.answer.rate_reset_after = slice_of(f->kept[POST_KEPT_RATE_RESET_AFTER]);
	r.is_cut = f->body_is_full;
	r.total_ms = clock_mono_ms(&f->post->clock) - f->began_ms;
	r.is_reused = f->is_reused;
	r.has_resolved =
	    f->trace.is_named && f->trace.resolved && f->trace.nopened + f->trace.nrefused > 0;
	r.connect_ms = f->connect_ms;
	memcpy(r.peer, f->peer, sizeof(r.peer));
	r.detail = detail;
	tell_fault(f, &r);
	f->done(f->ctx, &r);
	flight_free(f);
}

/* What the log says of a failure.  libcurl does not know that we lacked descriptors. */
static const char *
detail_of(const struct post_flight *f, CURLcode code)
{
	if (code == CURLE_OK)
		return ("");
	if (f->trace.verdict == OUTCOME_WAY_SELF)
		return ("no descriptor, or no memory for a socket: raise LimitNOFILE (systemd) or "
			"ulimit -n, or lower max_flights");
	return (curl_easy_strerror(code));
}

/* libcurl is through with ${f}: it has ended, or, of mail, it has been connected. */
static void
curl_ended(struct post_flight *f, CURLcode code)
{
	if (f->is_mail && code == CURLE_OK) {
		post_mail_connected(f);
		return;
	}
	if (f->body_is_full && code == CURLE_WRITE_ERROR)
		code = CURLE_OK; /* we stopped it */
	if (!f->is_mail)
		f->trace.code = (int)info_long(f->easy, CURLINFO_RESPONSE_CODE);
	if (!f->is_mail && post_http_is_whole(f, code))
		code = CURLE_OK;
	post_measure(f);
	f->trace.connect_code = (int)info_long(f->easy, CURLINFO_HTTP_CONNECTCODE);
	f->trace.has_connected = info_ms(f->easy, CURLINFO_CONNECT_TIME_T) > 0;
	post_flight_end(f, post_trace_way(&f->trace, code), detail_of(f, code));
}

/* End what libcurl has finished. */
static void
reap(struct post *p)
{
	struct post_flight *f;
	CURLMsg *msg;
	CURLcode code;
	int left;

	while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;
		if (curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &f) == CURLE_OK)
			curl_ended(f, code);
	}
}

/* End what was settled before it began; callbacks may change the list. */
static void
reap_settled(struct post *p)
{
	struct post_flight *f;

	while (p->has_settled) {
		for (f = p->flights; f != NULL && f->trace.verdict == OUTCOME_WAY_ANSWERED;)
			f = f->next;
		if (f == NULL)
			p->has_settled = false;
		else
			post_flight_end(f, f->trace.verdict,
			    f->is_mail ? "no smtp_url is configured" : "refused unresolved");
	}
}

void
post_on_ready(struct post *p, int fd, unsigned int events)
{
	int mask = ((events & POST_READ) != 0 ? CURL_CSELECT_IN : 0) |
		   ((events & POST_WRITE) != 0 ? CURL_CSELECT_OUT : 0) |
		   ((events & POST_ERROR) != 0 ? CURL_CSELECT_ERR : 0);
	int running;

	if (p->speaking != NULL && post_mail_on_ready(p, fd))
		return;
	(void)curl_multi_socket_action(p->multi, fd, mask, &running);
	reap(p);
}

void
post_on_timer(struct post *p)
{
	int running;

	reap_settled(p);
	post_mail_on_timer(p, clock_mono_ms(&p->clock));
	p->curl_wake_at_ms = -1; /* libcurl asks anew where there is more to wait for */
	(void)curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(p);
	post_set_timer(p);
}

size_t
post_count(const struct post *p)
{
	return (p->nflights);
}

/* The post itself -------------------------------------------------------------------------- */

static struct slice
first_line(struct slice text)
{
	struct slice line = {NULL, 0};

	(void)slice_split(&text, '\n', &line);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return (line);
}

/* Read the first line of the password file. */
static enum err
read_password(struct post *p, struct buf *why)
{
	const char *path = p->settings->smtp_password_file;
	char text[PASSWORD_MAX];
	ssize_t n = -1;
	int fd;

	if (path[0] == '\0')
		return (ERR_OK);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
		n = read(fd, text, sizeof(text));
	if (n < 0)
		buf_printf(why, "smtp_password_file %s: %s", path, strerror(errno));
	else
		buf_add(&p->password, first_line(slice_make(text, (size_t)n)));
	if (fd >= 0)
		close(fd);
	mem_wipe(text, sizeof(text));
	return (n < 0 ? ERR_IO : ERR_OK);
}

static enum err
make_multi(struct post *p)
{
	CURLMcode code;

	if ((p->multi = curl_multi_init()) == NULL)
		return (ERR_NOMEM);
	code = curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_watch_wanted);
	if (code == CURLM_OK)
		code = curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
	if (code == CURLM_OK)
		code = curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	if (code == CURLM_OK)
		code = curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
	if (code == CURLM_OK)
		code = curl_multi_setopt(
		    p->multi, CURLMOPT_MAXCONNECTS, (long)p->settings->max_flights);
	return (code == CURLM_OK ? ERR_OK : ERR_NOMEM);
}

struct post *
post_new(const struct settings *settings, const struct post_watcher *watcher, struct buf *why)
{
	struct post *p;

	if (access(settings->egress_ca_file, R_OK) != 0) {
		buf_printf(why, "egress_ca_file %s: %s", settings->egress_ca_file, strerror(errno));
		return (NULL);
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (p = calloc(1, sizeof(*p))) == NULL) {
		buf_printf(why, "no memory");
		return (NULL);
	}
	p->settings = settings;
	p->watcher = *watcher;
	p->clock = clock_system();
	p->curl_wake_at_ms = -1;
	buf_init(&p->password, PASSWORD_MAX);
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
	if (read_password(p, why) == ERR_OK && make_multi(p) == ERR_OK)
		return (p);
	if (why->len == 0)
		buf_printf(why, "libcurl cannot be used as it is: no memory");
	post_free(p);
	return (NULL);
}

void
post_free(struct post *p)
{
	if (p == NULL)
		return;
	while (p->flights != NULL)
		flight_free(p->flights); /* leaves the list NOLINT(clang-analyzer-unix.Malloc) */
	post_mail_close_lines(p);
	(void)curl_multi_cleanup(p->multi);
	free(p->sockets);
	buf_clear(&p->password);
	free(p);
	curl_global_cleanup();
}
