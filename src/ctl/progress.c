/* The bar that shows a person that a long command goes on, and for how long about. */
#include "ctl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define BAR_LEN  30   /* cells of the bar: with the words behind it, it fits into 80 columns */
#define PAINT_MS 100  /* between two paintings */
#define GUESS_MS 3000 /* before that nobody can say how long it takes */

static int64_t
now_ms(void)
{
	const struct clock c = clock_system();

	return (clock_mono_ms(&c));
}

void
progress_begin(struct progress *p, const char *what, int64_t total)
{
	const char *term = getenv("TERM");

	*p = (struct progress){.what = what, .total = total, .began_ms = now_ms()};
	p->is_shown = isatty(STDERR_FILENO) != 0 && (term == NULL || strcmp(term, "dumb") != 0);
	progress_set(p, 0);
}

/* Write how long the rest will take, going by what is done. */
static void
put_rest(const struct progress *p, int64_t done, int64_t at_ms)
{
	const int64_t took_ms = at_ms - p->began_ms;
	int64_t rest_s;

	if (done <= 0 || took_ms < GUESS_MS || done >= p->total)
		return;
	rest_s = took_ms * (p->total - done) / done / 1000 + 1;
	if (rest_s < 120)
		fprintf(stderr, ", %lld s left", (long long)rest_s);
	else
		fprintf(stderr, ", %lld min left", (long long)(rest_s / 60));
}

/* Write the line in place of the one before. */
static void
paint(const struct progress *p, int64_t done, int64_t at_ms)
{
	static const char full[BAR_LEN + 1] = "##############################";
	static const char empty[BAR_LEN + 1] = "..............................";
	int filled;

	fprintf(stderr, "\r");
	if (p->total > 0) {
		/* the total may have been overtaken meanwhile */
		done = done > p->total ? p->total : done;
		filled = (int)(done * BAR_LEN / p->total);
		fprintf(stderr, "[%.*s%.*s] %3d %%  %lld of %lld %s", filled, full,
		    BAR_LEN - filled, empty, (int)(done * 100 / p->total), (long long)done,
		    (long long)p->total, p->what);
		put_rest(p, done, at_ms);
	} else {
		fprintf(stderr, "%lld %s", (long long)done, p->what);
	}
	fprintf(stderr, "\033[K");
	fflush(stderr);
}

void
progress_set(struct progress *p, int64_t done)
{
	int64_t at_ms;

	if (!p->is_shown)
		return;
	at_ms = now_ms();
	if (p->painted_ms != 0 && at_ms - p->painted_ms < PAINT_MS)
		return;
	p->painted_ms = at_ms;
	paint(p, done, at_ms);
}

void
progress_end(struct progress *p)
{
	if (!p->is_shown)
		return;
	p->is_shown = false;
	fprintf(stderr, "\r\033[K");
	fflush(stderr);
}
