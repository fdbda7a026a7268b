/*
 * One worker: accept, answer, repeat.  It has the public key alone, one connection to the database,
 * and one request at a time.
 */
#include "api/worker.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "adapters/keyfile.h"
#include "adapters/store_ops.h"
#include "api/handle.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/wipefree.h"
#include "sql_version.h"

struct worker {
	struct api api;
	struct gate *gate;
	int listen_fd;
};

/* Load the public keyring and make the sealing end of its active key. */
static enum err
open_sender(struct worker *w)
{
	const struct settings *s = w->api.settings;
	struct keyring *ring;
	enum err e;

	if ((ring = keyring_new()) == NULL) {
		log_error(
		    "worker.memlock", LOG_STR("hint", "memory cannot be locked: raise LimitMEMLOCK "
						      "(systemd) or ulimit -l to 256 KiB or more"));
		return (ERR_NOMEM);
	}
	if ((e = keyfile_load(s->keyring_public, ring)) == ERR_OK) {
		w->api.sender = seal_sender_new(keyring_active(ring), s->seal_context_s * 1000);
		e = w->api.sender == NULL ? ERR_NOMEM : ERR_OK;
	}
	keyring_free(ring);
	return (e);
}

/* Make all that a request needs.  Each room logs its own failure. */
static enum err
worker_init(struct worker *w, const struct settings *s, int listen_fd)
{
	const struct db_options db = {.conninfo = s->database,
	    .user = "sigsentry_api",
	    .application = "sigsentry-api",
	    .lock_timeout_ms = s->lock_timeout_ms,
	    .schema_query = store_schema_query(STORE_OF_API),
	    .schema_min = SQL_SCHEMA_VERSION};
	enum err e;

	w->listen_fd = listen_fd;
	w->api.settings = s;
	w->api.clock = clock_system();
	mem_harden();
	wipefree_enable();
	if ((e = crypt_init()) != ERR_OK) {
		log_error("worker.crypt", LOG_STR("error", err_word(e)),
		    LOG_STR("hint", "if memory cannot be locked: raise LimitMEMLOCK (systemd) or "
				    "ulimit -l to 256 KiB or more"));
		return (e);
	}
	if ((e = open_sender(w)) != ERR_OK)
		return (e);
	w->api.permits = permit_stock_new();
	w->api.arena = arena_new();
	w->api.db = db_new(&db);
	w->gate = gate_new(listen_fd);
	return (
	    w->api.arena != NULL && w->api.db != NULL && w->gate != NULL && w->api.permits != NULL
		? ERR_OK
		: ERR_NOMEM);
}

static void
worker_clear(struct worker *w)
{
	gate_free(w->gate);
	db_free(w->api.db);
	arena_free(w->api.arena);
	permit_stock_free(w->api.permits);
	seal_sender_free(w->api.sender);
}

/* Set by the handler, which runs only inside ppoll(). */
static volatile sig_atomic_t stop_seen;

static void
on_stop(int signo)
{
	(void)signo;
	stop_seen = 1;
}

/*
 * Is it time to go?  While connections keep coming, ppoll() finds one ready before it looks for a
 * signal, so a busy worker would never hear SIGTERM: the pending ones are asked for too.
 */
static bool
told_to_stop(void)
{
	sigset_t pending;

	return (stop_seen != 0 ||
		(sigpending(&pending) == 0 &&
		    (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1)));
}

/* Wait for a connection, a signal, or the moment at which the sealing context must be wiped. */
static bool
wait_connection(struct worker *w)
{
	struct pollfd p = {.fd = w->listen_fd, .events = POLLIN};
	int64_t idle_ms = seal_sender_idle_ms(w->api.sender, clock_mono_ms(&w->api.clock));
	struct timespec limit = {idle_ms / 1000, (idle_ms % 1000) * 1000000};
	sigset_t none;
	int n;

	sigemptyset(&none);
	n = ppoll(&p, 1, idle_ms < 0 ? NULL : &limit, &none);
	seal_sender_expire(w->api.sender, clock_mono_ms(&w->api.clock));
	return (n > 0);
}

/* Serve one connection, if it is still there. */
static void
serve_one(struct worker *w)
{
	const struct gate_request *in;
	char id[64];

	if (gate_accept(w->gate, &in) != ERR_OK)
		return;
	snprintf(id, sizeof(id), "%.*s", (int)in->id.len, in->id.ptr == NULL ? "" : in->id.ptr);
	log_scope(id);
	handle(&w->api, w->gate, in);
	log_scope(NULL);
}

static void
set_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop}, ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

int
worker_run(const struct settings *settings, const struct worker_place *place)
{
	struct worker w = {.api = {.counters = place->counters, .worker = place->number}};
	int status = WORKER_EXIT_CONFIG;

	if (worker_init(&w, settings, place->listen_fd) == ERR_OK) {
		set_signals();
		if (write(place->ready_fd, "r", 1) == 1)
			status = 0;
		close(place->ready_fd);
		while (status == 0 && !told_to_stop()) {
			if (wait_connection(&w))
				serve_one(&w);
		}
	}
	worker_clear(&w);
	return (status);
}
