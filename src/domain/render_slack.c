/*
 * A Slack message (platforms.md §1): a header, then an attachment for its colour bar with blocks.
 * What others wrote stands in plain_text, where Slack parses nothing; mrkdwn holds our own words.
 */
#include "domain/render.h"

#include <stdio.h>

#include "domain/render_view.h"

/* Slack's limits, in UTF-16 units to be safe; the sum of all text stays below the message's. */
#define MESSAGE_MAX 10000
#define HEADER_MAX  150
#define SECTION_MAX 3000

/* What the parts may take of the message's sum, so that some is left for the summary. */
#define TEXT_MAX     300 /* of notifications */
#define TEST_MAX     300
#define FACT_MAX     200
#define CAUSE_MAX    1500
#define SERVICES_MAX 1000
#define ACTIONS_MAX  2000
#define LINK_MAX     1000 /* a longer one becomes a button, whose URL does not count */

#define SERVICES 10
#define ACTIONS  5
#define LINES    60

static const char *const mrkdwn[CUT_ASCII] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;"};

static const struct cut_how in_mrkdwn = {.unit = CUT_UTF16, .escapes = mrkdwn, .lines = 1};
static const struct cut_how in_line = {.unit = CUT_UTF16, .lines = 1};
static const struct cut_how in_section = {.unit = CUT_UTF16, .lines = LINES};

/* A section of our own words, in bold. */
static void
put_title(struct render_json *j, const char *words)
{
	render_raw(j, "{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":");
	render_join(j, slice_of(words), slice_of(""), &in_line, SECTION_MAX);
	render_raw(j, "}},");
}

static void
put_section(struct render_json *j, struct slice s, size_t max)
{
	if (s.ptr == NULL)
		return;
	render_raw(
	    j, "{\"type\":\"section\",\"text\":{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
	render_text(j, s, &in_section, max);
	render_raw(j, "}},");
}

static void
put_facts(struct render_json *j, const struct render_view *v)
{
	char label[40];
	size_t i;

	render_raw(j, "{\"type\":\"section\",\"fields\":[");
	for (i = 0; i < v->nfacts; i++) {
		snprintf(label, sizeof(label), "%s\n", v->facts[i].label);
		render_raw(j, i > 0 ? "," : "");
		render_raw(j, "{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
		render_join(j, slice_of(label), v->facts[i].value, &in_line, FACT_MAX);
		render_raw(j, "}");
	}
	render_raw(j, "]},");
}

static void
put_lines(struct render_json *j, const char *title, const struct render_lines *lines, size_t max)
{
	if (lines->count == 0)
		return;
	put_title(j, title);
	render_raw(
	    j, "{\"type\":\"section\",\"text\":{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
	render_lines(j, lines, &in_section, max);
	render_raw(j, "}},");
}

/* A link needs no interactivity; a button does in some apps, but bears a longer URL. */
static void
put_link(struct render_json *j, const struct render_view *v)
{
	struct buf link;

	if (v->url.ptr == NULL)
		return;
	buf_init(&link, RENDER_MAX);
	buf_addc(&link, '<');
	cut_put(&link, v->url, &in_mrkdwn, SIZE_MAX);
	buf_add(&link, slice_of("|Open details>"));
	if (!buf_ok(&link)) {
		j->out->failed = true;
	} else if (link.len <= LINK_MAX) {
		put_title(j, buf_str(&link));
	} else {
		render_raw(j,
		    "{\"type\":\"actions\",\"elements\":[{\"type\":\"button\",\"action_id\":"
		    "\"open_details\",\"text\":{\"type\":\"plain_text\",\"text\":");
		render_text(j, slice_of("Open details"), &in_line, SECTION_MAX);
		render_raw(j, "},\"url\":");
		json_put(j->out, v->url);
		render_raw(j, "}]},");
	}
	buf_clear(&link);
}

/* The time in the reader's own zone, the event's id, how late it is. */
static void
put_context(struct render_json *j, const struct render_view *v, int64_t occurred_ms)
{
	char text[200];

	snprintf(text, sizeof(text), "<!date^%lld^{date_short_pretty} {time_secs}|%s>",
	    (long long)(occurred_ms / 1000), v->time);
	render_raw(j, "{\"type\":\"context\",\"elements\":[{\"type\":\"mrkdwn\",\"text\":");
	render_join(j, slice_of(text), slice_of(""), &in_line, SECTION_MAX);
	render_raw(j, "},{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
	render_join(j, slice_of("Event "), v->event_id, &in_line, FACT_MAX);
	if (v->late.ptr != NULL) {
		render_raw(j, "},{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
		render_text(j, v->late, &in_line, FACT_MAX);
	}
	render_raw(j, "}]}");
}

/* All that follows the summary. */
static void
put_tail(struct render_json *j, const struct render_view *v, int64_t occurred_ms)
{
	put_facts(j, v);
	if (v->cause.ptr != NULL)
		put_title(j, "*Root cause*");
	put_section(j, v->cause, CAUSE_MAX);
	put_lines(j, "*Affected services*", &v->services, SERVICES_MAX);
	put_lines(j, "*Suggested actions*", &v->actions, ACTIONS_MAX);
	put_link(j, v);
	put_context(j, v, occurred_ms);
}

static void
put_head(struct render_json *j, const struct render_view *v)
{
	render_raw(j, "{\"text\":");
	render_join(j, v->heading, v->summary, &in_mrkdwn, TEXT_MAX);
	render_raw(j,
	    ",\"unfurl_links\":false,\"unfurl_media\":false,\"blocks\":[{\"type\":\"header\","
	    "\"text\":{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
	render_join(j, v->heading, v->summary, &in_line, HEADER_MAX);
	render_raw(j, "}}],\"attachments\":[{\"color\":\"");
	render_raw(j, v->severity->hex);
	render_raw(j, "\",\"blocks\":[");
	put_section(j, v->test, TEST_MAX);
}

enum err
render_slack(const struct render_input *in, struct buf *out)
{
	struct render_json head, tail;
	struct render_view v;
	struct buf rest;
	enum err rc;
	size_t room;

	buf_init(&rest, RENDER_MAX);
	render_json_init(&head, out);
	render_json_init(&tail, &rest);
	if ((rc = render_view_make(in, SERVICES, ACTIONS, &v)) != ERR_OK)
		goto out;
	put_tail(&tail, &v, in->event->known.occurred_ms);
	put_head(&head, &v);
	room = MESSAGE_MAX - head.used - tail.used;
	if (!render_is_short(&head, &v, &in_line, HEADER_MAX))
		put_section(&head, v.summary, room < SECTION_MAX ? room : SECTION_MAX);
	if ((rc = render_end(&tail)) != ERR_OK)
		goto out;
	buf_add(out, buf_slice(&rest));
	render_raw(&head, "]}]}");
	rc = render_end(&head);
out:
	render_json_clear(&head);
	render_json_clear(&tail);
	render_view_clear(&v);
	buf_clear(&rest);
	return (rc);
}
