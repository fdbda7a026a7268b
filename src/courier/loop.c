/* epoll, with a table of who waits for which descriptor. */
#include "courier/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256 /* in one turn */

/** Who waits for a descriptor; its place in the table is its number. */
struct watch {
	loop_ready *ready; /* NULL: nobody */
	void *ctx;
	short events;
};

struct loop {
	int epoll_fd;
	struct watch *watches;
	size_t nwatches;
};

struct loop *
loop_new(void)
{
	struct loop *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return (NULL);
	if ((l->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		free(l);
		return (NULL);
	}
	return (l);
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	close(l->epoll_fd);
	free(l->watches);
	free(l);
}

/* Make room for ${fd} in the table. */
static enum err
make_room(struct loop *l, int fd)
{
	size_t n = l->nwatches == 0 ? 64 : l->nwatches;
	struct watch *more;

	if ((size_t)fd < l->nwatches)
		return (ERR_OK);
	while (n <= (size_t)fd)
		n *= 2;
	if ((more = realloc(l->watches, n * sizeof(*more))) == NULL)
		return (ERR_NOMEM);
	memset(more + l->nwatches, 0, (n - l->nwatches) * sizeof(*more));
	l->watches = more;
	l->nwatches = n;
	return (ERR_OK);
}

enum err
loop_watch(struct loop *l, int fd, short events, loop_ready *ready, void *ctx)
{
	struct epoll_event e = {.data.fd = fd};
	struct watch *w;
	int op;

	if (fd < 0 || make_room(l, fd) != ERR_OK)
		return (ERR_NOMEM);
	w = &l->watches[fd];
	e.events =
	    ((events & POLLIN) != 0 ? EPOLLIN : 0) | ((events & POLLOUT) != 0 ? EPOLLOUT : 0);
	op = w->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	*w = (struct watch){ready, ctx, events};
	if (op == EPOLL_CTL_ADD && events == 0)
		return (ERR_OK);
	/* one that was closed and opened again is no longer known there */
	if (epoll_ctl(l->epoll_fd, op, fd, &e) != 0 &&
	    !(op == EPOLL_CTL_MOD && errno == ENOENT &&
		epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0) &&
	    !(op == EPOLL_CTL_ADD && errno == EEXIST &&
		epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0) &&
	    op != EPOLL_CTL_DEL)
		return (ERR_IO);
	return (ERR_OK);
}

/* An error or a hang-up is told to whoever waits for anything. */
static short
events_of(uint32_t e)
{
	const bool bad = (e & (EPOLLERR | EPOLLHUP)) != 0;

	return ((short)(((e & EPOLLIN) != 0 || bad ? POLLIN : 0) |
			((e & EPOLLOUT) != 0 || bad ? POLLOUT : 0)));
}

void
loop_wait(struct loop *l, int64_t timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	const int limit = timeout_ms > 60000 ? 60000 : (int)timeout_ms;
	int i, n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, limit);
	struct watch w;

	for (i = 0; i < n; i++) {
		w = l->watches[events[i].data.fd];
		if (w.ready != NULL && w.events != 0)
			w.ready(w.ctx, events[i].data.fd,
			    (short)(events_of(events[i].events) & (w.events | POLLIN)));
	}
}
