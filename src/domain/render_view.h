#ifndef DOMAIN_RENDER_VIEW_H
#define DOMAIN_RENDER_VIEW_H

/* What the renderers for people share: what is said, before a platform decides how it looks. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "domain/cut.h"
#include "domain/render.h"

#define RENDER_FACTS_MAX 6

/** How a severity looks. */
struct render_severity {
	const char *word;  /* "CRITICAL" */
	uint32_t rgb;      /* 0x991b1b */
	const char *hex;   /* "#991b1b" */
	const char *teams; /* Adaptive Cards know no colours of our own: "Attention" */
	const char *teams_style;
};

extern const struct render_severity render_severities[SEVERITY__MAX];

/** A word of ours and what somebody else wrote. */
struct render_fact {
	const char *label;
	struct slice value; /* never blank */
};

/** Untrusted lines, of which only the first are shown. */
struct render_lines {
	struct slice *list; /* never blank */
	size_t count;
	size_t more; /* how many there would be beside */
};

/** A message in words.  Slices are untrusted but where it says so; absent means: leave it out. */
struct render_view {
	struct arena *arena;
	const struct render_severity *severity;
	struct slice heading; /* ours: "[HIGH] ", "[TEST] [HIGH] " */
	struct slice test;    /* "This is a test of the channel Ops." */
	struct slice summary; /* never blank */
	struct slice cause;
	struct render_fact facts[RENDER_FACTS_MAX]; /* the project is the first */
	size_t nfacts;
	struct render_lines services, actions;
	struct slice url;  /* https, ASCII, at most URL_MAX bytes, none of " < > \ ^ ` { | } */
	struct slice late; /* ours: "Sent 7 min after the event was accepted." */
	char time[32];     /* ours: "2026-11-23 17:20:00 UTC" */
	char rfc3339[CLOCK_RFC3339_SIZE];
	struct slice event_id, delivery_id;
	char thread[33]; /* ours: hex, the same for all messages of one analysis */
};

/**
 * render_view_make(in, nservices, nactions, v), render_view_clear(v):
 * Fill ${v} from ${in}, which it borrows; of services and actions at most so many lines.
 * ERR_NOMEM.  render_view_clear() is for every case.
 */
enum err render_view_make(const struct render_input *in, size_t nservices, size_t nactions,
    struct render_view *v) MUST_CHECK;
void render_view_clear(struct render_view *v);

/** JSON text being written, with the length of all untrusted text in it. */
struct render_json {
	struct buf *out;
	struct buf scratch;
	size_t used; /* units that were put by render_text() */
};

/**
 * render_json_init(j, out), render_json_clear(j):
 * Begin to write to ${out}; free what that took.
 *
 * render_raw(j, text), render_text(j, s, how, max):
 * Append JSON as it stands; ${s} by cut_put() as a string in quotes.
 *
 * render_is_short(j, v, how, max):
 * Is ${v}'s summary one line that has room in ${max} of ${how}'s units, behind the heading?
 *
 * render_join(j, a, b, how, max):
 * As render_text() of ${a}, our own words, with ${b} behind them in the same string.
 *
 * render_lines(j, lines, how, max):
 * As render_text() of all of ${lines} with line breaks between, and a last one that says how many
 * more there are.
 *
 * render_end(j):
 * What a renderer returns: ERR_NOMEM where something did not fit.
 */
void render_json_init(struct render_json *j, struct buf *out);
void render_json_clear(struct render_json *j);
bool render_is_short(
    struct render_json *j, const struct render_view *v, const struct cut_how *how, size_t max);
void render_raw(struct render_json *j, const char *text);
void render_text(struct render_json *j, struct slice s, const struct cut_how *how, size_t max);
void render_join(
    struct render_json *j, struct slice a, struct slice b, const struct cut_how *how, size_t max);
void render_lines(
    struct render_json *j, const struct render_lines *lines, const struct cut_how *how, size_t max);
enum err render_end(struct render_json *j) MUST_CHECK;

/**
 * render_lines_put(b, lines, how, max):
 * What render_lines() puts into its string; returns the units.
 */
size_t render_lines_put(
    struct buf *b, const struct render_lines *lines, const struct cut_how *how, size_t max);

#endif
