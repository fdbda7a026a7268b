/*
 * The counts behind /metrics that only the workers know.  A page of memory that all of them map is
 * their home: it costs a request one atomic addition, outlives any worker, and ends with the pool,
 * as Prometheus expects of counters.
 */
#include "api/counters.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "api/route.h"

/* The statuses that the API answers; the last stands for all others. */
static const int statuses[] = {
    200, 201, 202, 400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503, 0};

#define NSTATUSES  (sizeof(statuses) / sizeof(statuses[0]))
#define ROUTES_MAX 40 /* route.c asserts that its table fits */

struct counters {
	/* two processes write the same place while a worker is being replaced, hence atomic */
	_Atomic uint64_t n[COUNTERS_WORKERS_MAX][ROUTES_MAX][NSTATUSES];
};

struct counters *
counters_new(void)
{
	void *p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return (p == MAP_FAILED ? NULL : p);
}

void
counters_add(struct counters *c, size_t worker, size_t route, int status)
{
	size_t i = 0;

	if (c == NULL || worker >= COUNTERS_WORKERS_MAX || route >= ROUTES_MAX)
		return;
	while (i + 1 < NSTATUSES && statuses[i] != status)
		i++;
	atomic_fetch_add_explicit(&c->n[worker][route][i], 1, memory_order_relaxed);
}

/* What all workers have counted of a route and status. */
static uint64_t
sum_of(const struct counters *c, size_t route, size_t status)
{
	uint64_t sum = 0;
	size_t w;

	for (w = 0; w < COUNTERS_WORKERS_MAX; w++)
		sum += atomic_load_explicit(&c->n[w][route][status], memory_order_relaxed);
	return (sum);
}

/* What a worker has counted in all. */
static uint64_t
sum_of_worker(const struct counters *c, size_t worker)
{
	uint64_t sum = 0;
	size_t r, s;

	for (r = 0; r < ROUTES_MAX; r++) {
		for (s = 0; s < NSTATUSES; s++)
			sum += atomic_load_explicit(&c->n[worker][r][s], memory_order_relaxed);
	}
	return (sum);
}

/* One line; the number 0 among the statuses is "other". */
static void
print_one(const struct counters *c, size_t route, size_t status, struct buf *out)
{
	const uint64_t n = sum_of(c, route, status);

	if (n == 0)
		return;
	buf_printf(out, "sigsentry_http_requests_total{route=\"%s\",method=\"%s\",status=\"",
	    route_name(route), route_method(route));
	if (statuses[status] == 0)
		buf_printf(out, "other");
	else
		buf_printf(out, "%d", statuses[status]);
	buf_printf(out, "\"} %llu\n", (unsigned long long)n);
}

void
counters_print(const struct counters *c, struct buf *out)
{
	size_t r, s, w;
	uint64_t n;

	buf_printf(out,
	    "# HELP sigsentry_http_requests_total Requests that the workers of this host "
	    "have answered.\n# TYPE sigsentry_http_requests_total counter\n");
	for (r = 0; r < ROUTES_MAX; r++) {
		for (s = 0; s < NSTATUSES; s++)
			print_one(c, r, s, out);
	}
	buf_printf(out, "# HELP sigsentry_worker_requests_total The same by place in the pool.\n"
			"# TYPE sigsentry_worker_requests_total counter\n");
	for (w = 0; w < COUNTERS_WORKERS_MAX; w++) {
		if ((n = sum_of_worker(c, w)) > 0)
			buf_printf(out, "sigsentry_worker_requests_total{worker=\"%zu\"} %llu\n", w,
			    (unsigned long long)n);
	}
}
