/*
 * The pool: starts workers, replaces those that die, and exchanges all of them without a gap.  It
 * touches neither requests nor keys, so that little can go wrong in it.
 */
#include "api/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"

#define SLOTS_MAX      COUNTERS_WORKERS_MAX
#define CHILDREN_MAX   (4 * SLOTS_MAX) /* old ones that still finish a request count too */
#define PAUSE_FIRST_MS 100             /* after a first crash */
#define PAUSE_MAX_MS   10000
#define LIVED_WELL_MS  30000 /* a worker that lived so long ends the growing of the pause */

/** A worker process. */
struct child {
	pid_t pid; /* 0: this entry is free */
	size_t slot;
	unsigned int generation; /* of the settings it was started with */
	int ready_fd;            /* the end we read; -1: closed */
	bool ready;              /* it has said that it is */
	bool leaving;            /* was told to stop */
	int64_t started_ms;
};

/** A place in the pool, filled by one worker, or two while it is exchanged. */
struct slot {
	int64_t pause_ms;      /* the next pause after a death; 0: it is well */
	int64_t restart_at_ms; /* when to fill it again; 0: no need */
};

struct master {
	const struct settings *settings;
	const struct cmdline *source;
	const struct listener *listener;
	struct counters *counters;
	struct clock clock;
	int signal_fd;
	unsigned int generation;
	bool stopping, announced;
	int exit_status;
	struct slot slots[SLOTS_MAX];
	struct child children[CHILDREN_MAX];
};

static size_t
nslots(const struct master *m)
{
	return ((size_t)m->settings->api_workers);
}

/* What the new process does; never returns. */
static void
be_worker(const struct master *m, size_t slot, int ready_fd)
{
	const struct worker_place place = {m->listener->fd, ready_fd, slot, m->counters};
	size_t i;

	/* SIGTERM and SIGINT stay blocked: the worker lets them in while it waits */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	close(m->signal_fd);
	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid != 0 && m->children[i].ready_fd >= 0)
			close(m->children[i].ready_fd);
	}
	exit(worker_run(m->settings, &place));
}

/* A free entry, or NULL. */
static struct child *
free_entry(struct master *m)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid == 0)
			return (&m->children[i]);
	}
	return (NULL);
}

/* Start a worker in ${slot}; where that fails, plan to try again. */
static void
start_worker(struct master *m, size_t slot)
{
	struct child *c = free_entry(m);
	int ends[2];
	pid_t pid;

	m->slots[slot].restart_at_ms = clock_mono_ms(&m->clock) + PAUSE_MAX_MS;
	if (c == NULL || pipe(ends) != 0)
		return;
	if ((pid = fork()) == 0) {
		close(ends[0]);
		be_worker(m, slot, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		log_error("master.fork", LOG_STR("error", strerror(errno)));
		close(ends[0]);
		return;
	}
	*c = (struct child){.pid = pid,
	    .slot = slot,
	    .generation = m->generation,
	    .ready_fd = ends[0],
	    .started_ms = clock_mono_ms(&m->clock)};
	m->slots[slot].restart_at_ms = 0;
}

/* Tell ${c} to finish what it does and go. */
static void
send_away(struct child *c)
{
	if (!c->leaving)
		(void)kill(c->pid, SIGTERM);
	c->leaving = true;
}

/* Is a worker in ${slot} that will stay? */
static bool
is_filled(const struct master *m, size_t slot)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid != 0 && m->children[i].slot == slot &&
		    !m->children[i].leaving)
			return (true);
	}
	return (false);
}

/* Say READY=1 when every slot has a worker that is ready. */
static void
announce(struct master *m)
{
	size_t i, ready = 0;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid != 0 && !m->children[i].leaving && m->children[i].ready)
			ready++;
	}
	if (m->announced || ready < nslots(m))
		return;
	m->announced = true;
	log_info(
	    "master.ready", LOG_INT("workers", nslots(m)), LOG_INT("generation", m->generation));
	notify("READY=1");
}

/* A worker said that it is ready (or closed its pipe by dying): those that it replaces may go. */
static void
on_ready(struct master *m, struct child *c)
{
	char byte;
	ssize_t n = read(c->ready_fd, &byte, 1);
	size_t i;

	close(c->ready_fd);
	c->ready_fd = -1;
	if (n != 1)
		return; /* its death is told by SIGCHLD */
	c->ready = true;
	if (c->leaving)
		return; /* reloads came so fast that its successor is there already */
	for (i = 0; i < CHILDREN_MAX; i++) {
		struct child *old = &m->children[i];

		if (old->pid != 0 && old->slot == c->slot && old->generation < c->generation)
			send_away(old);
	}
	announce(m);
}

/* Stop the pool: no new workers, the running ones finish. */
static void
stop(struct master *m, int status)
{
	size_t i;

	if (!m->stopping)
		notify("STOPPING=1");
	m->stopping = true;
	m->exit_status = status;
	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid != 0)
			send_away(&m->children[i]);
	}
}

/* Plan the successor of a worker that died on its own. */
static void
plan_restart(struct master *m, const struct child *c)
{
	struct slot *s = &m->slots[c->slot];
	int64_t now = clock_mono_ms(&m->clock);

	s->pause_ms = s->pause_ms == 0 ? PAUSE_FIRST_MS : s->pause_ms * 2;
	if (s->pause_ms > PAUSE_MAX_MS)
		s->pause_ms = PAUSE_MAX_MS;
	s->restart_at_ms = now + s->pause_ms;
	log_error("master.died", LOG_INT("pid", c->pid), LOG_INT("restart_ms", s->pause_ms));
}

/* One worker is gone. */
static void
on_exit_of(struct master *m, struct child *c, int status)
{
	struct child dead;

	if (c->ready_fd >= 0)
		close(c->ready_fd);
	c->ready_fd = -1;
	log_info("master.exit", LOG_INT("pid", c->pid),
	    LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
	    LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
	dead = *c;
	c->pid = 0;
	/* the place is a good one, whether this one was told to leave or died */
	if (clock_mono_ms(&m->clock) - dead.started_ms >= LIVED_WELL_MS)
		m->slots[dead.slot].pause_ms = 0;
	if (m->stopping || dead.slot >= nslots(m) || (dead.leaving && is_filled(m, dead.slot)))
		return;
	if (m->generation == 0 && !m->announced && WIFEXITED(status) &&
	    WEXITSTATUS(status) == WORKER_EXIT_CONFIG)
		stop(m, 1); /* it never worked: whoever started us should see that */
	else if (!is_filled(m, dead.slot))
		plan_restart(m, &dead);
	else if (!dead.ready)
		log_error(
		    "master.reload", LOG_STR("hint", "the new worker could not start; the old one "
						     "keeps serving with its old settings"));
}

/* Collect every worker that has ended. */
static void
reap(struct master *m)
{
	pid_t pid;
	int status;
	size_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < CHILDREN_MAX; i++) {
			if (m->children[i].pid == pid)
				on_exit_of(m, &m->children[i], status);
		}
	}
}

/* SIGHUP: new settings, then a new worker into every slot. */
static void
reload(struct master *m)
{
	const struct settings *fresh;
	struct buf why;
	size_t i;

	if (m->stopping)
		return;
	buf_init(&why, 1024);
	fresh = settings_load(m->source->config, m->source->overrides, m->source->noverrides, &why);
	if (fresh == NULL) {
		log_error("master.reload", LOG_STR("error", buf_str(&why)),
		    LOG_STR("hint", "the old settings stay"));
		buf_clear(&why);
		return;
	}
	buf_clear(&why);
	notify("RELOADING=1");
	settings_free(m->settings);
	m->settings = fresh;
	log_setup("sigsentry-api", (enum log_level)fresh->log_level);
	m->generation++;
	m->announced = false;
	log_info(
	    "master.reload", LOG_INT("generation", m->generation), LOG_INT("workers", nslots(m)));
	for (i = 0; i < nslots(m); i++)
		start_worker(m, i);
	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid != 0 && m->children[i].slot >= nslots(m))
			send_away(&m->children[i]);
	}
}

static void
on_signal(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD: reap(m); break;
		case SIGHUP: reload(m); break;
		default: stop(m, m->exit_status); break;
		}
	}
}

/* Fill the slots whose pause is over; return how long until the next one's is, -1: none waits. */
static int
refill(struct master *m)
{
	int64_t now = clock_mono_ms(&m->clock), next = -1, left;
	size_t i;

	for (i = 0; i < nslots(m) && !m->stopping; i++) {
		if (m->slots[i].restart_at_ms == 0)
			continue;
		left = m->slots[i].restart_at_ms - now;
		if (left <= 0)
			start_worker(m, i);
		else if (next < 0 || left < next)
			next = left;
	}
	return ((int)next);
}

/* Wait for signals, ready workers and the next restart; deal with what came. */
static void
turn(struct master *m)
{
	struct pollfd fds[1 + CHILDREN_MAX];
	struct child *of[1 + CHILDREN_MAX];
	nfds_t n = 1, i;
	int timeout_ms = refill(m);
	size_t k;

	fds[0] = (struct pollfd){.fd = m->signal_fd, .events = POLLIN};
	for (k = 0; k < CHILDREN_MAX; k++) {
		if (m->children[k].pid == 0 || m->children[k].ready_fd < 0)
			continue;
		of[n] = &m->children[k];
		fds[n++] = (struct pollfd){.fd = m->children[k].ready_fd, .events = POLLIN};
	}
	if (poll(fds, n, timeout_ms) <= 0)
		return;
	for (i = 1; i < n; i++) {
		if (fds[i].revents != 0)
			on_ready(m, of[i]);
	}
	if (fds[0].revents != 0)
		on_signal(m);
}

/* Signals come by descriptor, so that nothing interrupts anything. */
static enum err
open_signals(struct master *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return (ERR_IO);
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return (m->signal_fd < 0 ? ERR_IO : ERR_OK);
}

static bool
has_children(const struct master *m)
{
	size_t i;

	for (i = 0; i < CHILDREN_MAX; i++) {
		if (m->children[i].pid != 0)
			return (true);
	}
	return (false);
}

int
master_run(
    const struct settings *settings, const struct cmdline *source, const struct listener *listener)
{
	struct master *m;
	int status;
	size_t i;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		fatal("no memory");
	m->settings = settings;
	m->source = source;
	m->listener = listener;
	m->clock = clock_system();
	if ((m->counters = counters_new()) == NULL)
		fatal("no memory");
	if (open_signals(m) != ERR_OK)
		fatal("cannot wait for signals: %s", strerror(errno));
	for (i = 0; i < nslots(m); i++)
		start_worker(m, i);
	while (!m->stopping || has_children(m))
		turn(m);
	log_info("master.stop", LOG_INT("status", m->exit_status));
	status = m->exit_status;
	settings_free(m->settings);
	close(m->signal_fd);
	free(m);
	return (status);
}
