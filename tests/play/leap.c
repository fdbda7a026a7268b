/*
 * A clock that leaps, for LD_PRELOAD: whatever a program asks, it is as far ahead of the machine's
 * as the file that LEAP_CLOCK names says: eight bytes, nanoseconds, by which time has passed, and
 * eight by which the time of day alone was set, forth or back.  The file is mapped, so that a leap
 * is seen by all at once, and what is done here may be done in a signal handler, too.
 *
 * libfaketime can not be used: while a process waits in epoll_wait() it shows signal handlers the
 * machine's time (0.9.10), and so PostgreSQL's lock_timeout and deadlock_timeout never end
 * anything.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

struct ahead {
	int64_t all_ns, day_ns;
};

static const volatile struct ahead *ahead;

/* Who would go by the machine's clock by mistake does not run at all. */
__attribute__((constructor)) static void
open_clock(void)
{
	static const char why[] = "leap: LEAP_CLOCK names no clock\n";
	const char *path = getenv("LEAP_CLOCK");
	const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		(void)!write(STDERR_FILENO, why, sizeof(why) - 1);
		_exit(127);
	}
	(void)close(fd);
	ahead = at;
}

/* CPU times do not leap. */
static int
leaps(clockid_t id)
{
	return (id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID);
}

static int
is_of_day(clockid_t id)
{
	return (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t by_ns, ns;

	if (syscall(SYS_clock_gettime, id, ts) != 0)
		return (-1);
	if (ahead == NULL || !leaps(id))
		return (0);
	by_ns = ahead->all_ns + (is_of_day(id) ? ahead->day_ns : 0);
	ns = ts->tv_sec * NS_PER_S + ts->tv_nsec + by_ns;
	ts->tv_sec = ns / NS_PER_S;
	ts->tv_nsec = ns % NS_PER_S;
	return (0);
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return (-1);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return (0);
}

time_t
time(time_t *at)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (at != NULL)
		*at = ts.tv_sec;
	return (ts.tv_sec);
}
