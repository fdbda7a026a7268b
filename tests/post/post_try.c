/*
 * Sends what standard input says through adapters/post and prints what came of it, for
 * test_post.py: a loop on epoll as the courier's, and a resolver of its own in front of libc's.
 *
 *     post_try [-o KEY=VALUE]... CONFIG <<END
 *     {"names": {"a.test": [["192.0.2.1", "::1"], ["hang"]]},   one list for each time it is asked
 *      "parallel": true,
 *      "jobs": [{"type": "webhook", "url": "https://a.test/", "body": "…", "fields": {"X-A": "b"},
 *                "secrets": ["…"], "cancel_ms": 50},
 *               {"type": "email", "recipient": "a@example.com", "message": "…"}]}
 *     END
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/post.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "domain/channel.h"
#include "domain/excerpt.h"
#include "domain/outcome.h"
#include "domain/settings.h"

#define INPUT_MAX   (8 * 1024 * 1024)
#define JOBS_MAX    4096
#define FIELDS_MAX  32
#define SECRETS_MAX 8
#define ASKED_MAX   64

/* The loop, and what it sends. */
struct loop {
	int epoll_fd;
	int64_t wake_at_ms; /* -1: never */
	int64_t stall_ms;   /* the longest time that the post kept the loop */
	struct clock clock;
	struct post *post;
};

struct job {
	struct loop *loop;
	size_t number;
	enum channel_type type;
	struct slice secrets[SECRETS_MAX];
	size_t nsecrets;
	struct post_flight *flight;
	int64_t cancel_at_ms; /* 0: never */
	bool ended;
};

/* The resolver ----------------------------------------------------------------------------- */

static struct json *names;
static atomic_size_t asked[ASKED_MAX];

/* The answers for ${name}, and how often it was asked for. */
struct search {
	struct slice name;
	struct json *answers;
	size_t place, times;
};

static bool
visit_name(void *ctx, struct slice name, struct json *value)
{
	struct search *s = ctx;

	if (!slice_eq(name, s->name)) {
		s->place++;
		return (true);
	}
	s->answers = value;
	s->times = atomic_fetch_add(&asked[s->place % ASKED_MAX], 1);
	return (false);
}

/* One address as a link of getaddrinfo()'s list. */
static struct addrinfo *
link_new(const char *text, uint16_t port)
{
	struct {
		struct addrinfo ai;
		struct sockaddr_in6 sa;
	} *l = calloc(1, sizeof(*l));
	struct sockaddr_in *v4 = (struct sockaddr_in *)&l->sa;

	if (l == NULL)
		abort();
	l->ai.ai_socktype = SOCK_STREAM;
	l->ai.ai_protocol = IPPROTO_TCP;
	l->ai.ai_addr = (struct sockaddr *)&l->sa;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		l->ai.ai_addrlen = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &l->sa.sin6_addr) == 1) {
		l->sa.sin6_family = AF_INET6;
		l->sa.sin6_port = htons(port);
		l->ai.ai_addrlen = sizeof(l->sa);
	} else {
		abort();
	}
	l->ai.ai_family = l->ai.ai_addr->sa_family;
	return (&l->ai);
}

/* In front of libc's.  Knows names by their full form alone, with the dot, or as the relay's. */
int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	struct search s = {slice_of(node), NULL, 0, 0};
	struct addrinfo **tail = out;
	struct json *list;
	struct slice text;
	size_t i;

	(void)hints;
	*out = NULL;
	json_each(names, visit_name, &s);
	if (json_len(s.answers) == 0)
		return (EAI_NONAME);
	list =
	    json_at(s.answers, s.times < json_len(s.answers) ? s.times : json_len(s.answers) - 1);
	for (i = 0; i < json_len(list); i++) {
		text = json_string(json_at(list, i));
		if (slice_eq(text, slice_of("hang"))) {
			usleep(3000000);
			return (EAI_AGAIN);
		}
		*tail = link_new(text.ptr, (uint16_t)(service == NULL ? 0 : atoi(service)));
		tail = &(*tail)->ai_next;
	}
	return (*out == NULL ? EAI_NONAME : 0);
}

void
freeaddrinfo(struct addrinfo *ai)
{
	struct addrinfo *next;

	for (; ai != NULL; ai = next) {
		next = ai->ai_next;
		free(ai);
	}
}

/* The loop --------------------------------------------------------------------------------- */

static void
on_watch(void *ctx, int fd, unsigned int events)
{
	struct loop *l = ctx;
	struct epoll_event e = {.data.fd = fd};

	e.events = ((events & POST_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
		   ((events & POST_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);
	if (events == 0)
		(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &e) != 0 &&
		 epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
		fatal("epoll_ctl");
}

static void
on_wake(void *ctx, int64_t after_ms)
{
	struct loop *l = ctx;

	l->wake_at_ms = after_ms < 0 ? -1 : clock_mono_ms(&l->clock) + after_ms;
}

static void
note_stall(struct loop *l, int64_t since_ms)
{
	int64_t ms = clock_mono_ms(&l->clock) - since_ms;

	if (ms > l->stall_ms)
		l->stall_ms = ms;
}

/* Cancel what shall be, and say until when to wait at the most. */
static int64_t
cancel_due(struct job *jobs, size_t njobs, int64_t now)
{
	int64_t wait_ms = 1000;
	size_t i;

	for (i = 0; i < njobs; i++) {
		if (jobs[i].ended || jobs[i].flight == NULL || jobs[i].cancel_at_ms == 0)
			continue;
		if (jobs[i].cancel_at_ms <= now) {
			post_cancel(jobs[i].flight);
			jobs[i].ended = true;
			printf("{\"job\":%zu,\"cancelled\":true}\n", jobs[i].number);
		} else if (jobs[i].cancel_at_ms - now < wait_ms) {
			wait_ms = jobs[i].cancel_at_ms - now;
		}
	}
	return (wait_ms);
}

static void
turn(struct loop *l, struct job *jobs, size_t njobs)
{
	struct epoll_event events[64];
	int64_t now = clock_mono_ms(&l->clock), wait_ms;
	int i, n;

	wait_ms = cancel_due(jobs, njobs, now);
	if (l->wake_at_ms >= 0 && l->wake_at_ms - now < wait_ms)
		wait_ms = l->wake_at_ms > now ? l->wake_at_ms - now : 0;
	n = epoll_wait(l->epoll_fd, events, 64, (int)wait_ms);
	now = clock_mono_ms(&l->clock);
	for (i = 0; i < n; i++)
		post_on_ready(l->post, events[i].data.fd,
		    ((events[i].events & EPOLLIN) != 0 ? POST_READ : 0U) |
			((events[i].events & EPOLLOUT) != 0 ? POST_WRITE : 0U) |
			((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? POST_ERROR : 0U));
	if (l->wake_at_ms >= 0 && l->wake_at_ms <= now) {
		l->wake_at_ms = -1;
		post_on_timer(l->post);
	}
	note_stall(l, now);
}

/* The jobs --------------------------------------------------------------------------------- */

static void
print(const struct job *j, const struct post_result *r, const struct outcome_finding *f,
    const char *excerpt)
{
	struct buf b;

	buf_init(&b, INPUT_MAX);
	buf_printf(&b, "{\"job\":%zu,\"outcome\":\"%s\",\"way\":\"%s\",\"step\":\"%s\"", j->number,
	    outcome_words[f->outcome], outcome_way_words[r->answer.way],
	    outcome_step_words[r->answer.step]);
	buf_printf(&b, ",\"status\":%d,\"wait_ms\":%lld,\"body_len\":%zu", r->answer.status,
	    (long long)f->wait_ms, r->answer.body.len);
	buf_printf(&b, ",\"connect_ms\":%lld,\"total_ms\":%lld,\"cut\":%s,\"reused\":%s",
	    (long long)r->connect_ms, (long long)r->total_ms, r->is_cut ? "true" : "false",
	    r->is_reused ? "true" : "false");
	buf_printf(&b, ",\"peer\":\"%s\",\"reason\":", r->peer);
	json_put(&b, slice_of(f->reason));
	buf_printf(&b, ",\"detail\":");
	json_put(&b, slice_of(r->detail));
	buf_printf(&b, ",\"excerpt\":");
	json_put(&b, slice_of(excerpt));
	buf_addc(&b, '}');
	puts(buf_str(&b));
	buf_clear(&b);
}

static void
on_done(void *ctx, const struct post_result *r)
{
	struct job *j = ctx;
	struct outcome_finding f;
	char excerpt[EXCERPT_MAX + 1];

	outcome_classify(j->type, &r->answer, clock_wall_ms(&j->loop->clock), &f);
	if (excerpt_make(r->answer.body, j->secrets, j->nsecrets, excerpt) != ERR_OK)
		fatal("excerpt");
	print(j, r, &f, excerpt);
	j->ended = true;
}

struct fields {
	struct post_field list[FIELDS_MAX];
	char names[FIELDS_MAX][64];
	size_t n;
};

static bool
visit_field(void *ctx, struct slice name, struct json *value)
{
	struct fields *f = ctx;

	snprintf(f->names[f->n], sizeof(f->names[0]), "%.*s", (int)name.len, name.ptr);
	f->list[f->n] = (struct post_field){f->names[f->n], json_string(value)};
	f->n++;
	return (f->n < FIELDS_MAX);
}

static enum err
launch_http(struct job *j, const struct json *o)
{
	struct fields fields = {.n = 0};
	struct post_http m;

	json_each(json_get(o, "fields"), visit_field, &fields);
	m = (struct post_http){json_string(json_get(o, "url")), fields.list, fields.n,
	    json_string(json_get(o, "body"))};
	return (post_http_start(j->loop->post, &m, on_done, j, &j->flight));
}

static enum err
launch_mail(struct job *j, const struct json *o)
{
	struct post_mail m = {
	    json_string(json_get(o, "recipient")), json_string(json_get(o, "message"))};

	return (post_mail_start(j->loop->post, &m, on_done, j, &j->flight));
}

static void
launch(struct job *j, const struct json *o)
{
	const struct json *secrets = json_get(o, "secrets");
	int64_t ms = 0;
	enum err e;

	if (channel_type_parse(json_string(json_get(o, "type")), &j->type) != ERR_OK)
		fatal("job %zu: type", j->number);
	while (j->nsecrets < json_len(secrets) && j->nsecrets < SECRETS_MAX) {
		j->secrets[j->nsecrets] = json_string(json_at(secrets, j->nsecrets));
		j->nsecrets++;
	}
	if (json_int(json_get(o, "cancel_ms"), 1, 60000, &ms) == ERR_OK)
		j->cancel_at_ms = clock_mono_ms(&j->loop->clock) + ms;
	e = (j->type == CHANNEL_EMAIL ? launch_mail : launch_http)(j, o);
	if (e != ERR_OK) {
		printf("{\"job\":%zu,\"error\":\"%s\"}\n", j->number, err_word(e));
		j->ended = true;
	}
}

static void
run(struct loop *l, const struct json *input)
{
	static struct job jobs[JOBS_MAX];
	const struct json *list = json_get(input, "jobs");
	bool parallel = json_bool(json_get(input, "parallel"));
	size_t i, n = json_len(list);

	if (n > JOBS_MAX)
		fatal("too many jobs");
	for (i = 0; i < n; i++) {
		jobs[i] = (struct job){.loop = l, .number = i};
		launch(&jobs[i], json_at(list, i));
		while (!parallel && !jobs[i].ended)
			turn(l, jobs, n);
	}
	while (post_count(l->post) > 0)
		turn(l, jobs, n);
}

static struct json *
read_input(void)
{
	struct json_fault fault;
	struct json *input = NULL;
	struct buf b;
	char chunk[65536];
	size_t n;

	buf_init(&b, INPUT_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
		buf_add(&b, slice_make(chunk, n));
	if (json_parse(buf_slice(&b), &input, &fault) != ERR_OK)
		fatal("input: %s", fault.message);
	buf_clear(&b);
	return (input);
}

static const struct settings *
load(int argc, char **argv)
{
	const char *overrides[64];
	const struct settings *s;
	size_t n = 0;
	struct buf why;
	int opt;

	while ((opt = getopt(argc, argv, "o:")) == 'o' && n < 64)
		overrides[n++] = optarg;
	if (optind != argc - 1)
		fatal("usage: post_try [-o KEY=VALUE]... CONFIG");
	buf_init(&why, 4096);
	if ((s = settings_load(argv[optind], overrides, n, &why)) == NULL)
		fatal("%s", buf_str(&why));
	buf_clear(&why);
	return (s);
}

int
main(int argc, char **argv)
{
	struct loop l = {.wake_at_ms = -1, .clock = clock_system()};
	struct post_watcher watcher = {on_watch, on_wake, &l};
	const struct settings *s = load(argc, argv);
	struct json *input = read_input();
	struct rusage usage;
	struct buf why;
	int64_t began;

	log_setup("post_try", LOG_LEVEL_INFO);
	setvbuf(stdout, NULL, _IOLBF, 0);
	names = json_get(input, "names");
	if ((l.epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		fatal("epoll");
	buf_init(&why, 4096);
	if ((l.post = post_new(s, &watcher, &why)) == NULL)
		fatal("%s", buf_str(&why));
	run(&l, input);
	began = clock_mono_ms(&l.clock);
	post_free(l.post);
	note_stall(&l, began);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"end\":true,\"stall_ms\":%lld,\"maxrss_kib\":%ld}\n", (long long)l.stall_ms,
	    usage.ru_maxrss);
	close(l.epoll_fd);
	json_free(input);
	settings_free(s);
	buf_clear(&why);
	return (0);
}
