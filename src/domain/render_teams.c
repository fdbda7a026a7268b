/*
 * A Microsoft Teams message (platforms.md §2): an Adaptive Card 1.4 in the wrapper that Workflows
 * expect.  What others wrote stands in TextRuns, where Markdown is nothing; one for each line,
 * since a TextRun breaks none.  Adaptive Cards have colours by name only: the severity's nearest.
 */
#include "domain/render.h"

#include "domain/render_view.h"

/* Bytes of the JSON.  Teams takes about 28 KB, and where it does not the sender never hears. */
#define MESSAGE_MAX 25000

/* Bytes of the parts, so that some are left for the summary. */
#define SUMMARY_MAX  300 /* of notifications */
#define TITLE_MAX    300 /* a longer summary stands below its title once more, in full */
#define TEST_MAX     600
#define FACT_MAX     400
#define CAUSE_MAX    3000
#define SERVICES_MAX 2000
#define ACTIONS_MAX  3000
#define FOOTER_MAX   300

#define SERVICES   10
#define ACTIONS    5
#define LINES      24
#define BLOCK_SIZE 96 /* bytes of a line's JSON beside its text */

/* {{DATE(…)}} is replaced by some clients. */
static const struct cut_how in_line = {.unit = CUT_JSON, .never_twice = '{', .lines = 1};
static const struct cut_how in_block = {.unit = CUT_JSON, .never_twice = '{', .lines = LINES};

/** How a TextRun looks. */
struct look {
	const char *block; /* members of the RichTextBlock */
	const char *run;   /* members of the TextRun */
};

static const struct look look_text = {",\"spacing\":\"None\"", ""};
static const struct look look_label = {"", ",\"weight\":\"Bolder\""};
static const struct look look_title = {"", ",\"size\":\"Large\",\"weight\":\"Bolder\""};
static const struct look look_footer = {
    ",\"spacing\":\"None\"", ",\"size\":\"Small\",\"isSubtle\":true"};

static void
open_block(struct render_json *j, const struct look *look)
{
	render_raw(j, ",{\"type\":\"RichTextBlock\"");
	render_raw(j, look->block);
	render_raw(j, ",\"inlines\":[{\"type\":\"TextRun\"");
	render_raw(j, look->run);
	render_raw(j, ",\"text\":");
}

/* One line of its own, behind another; ${ours} is in front. */
static void
put_line(
    struct render_json *j, const char *ours, struct slice s, const struct look *look, size_t max)
{
	open_block(j, look);
	render_join(j, slice_of(ours), s, &in_line, max);
	render_raw(j, "}]}");
}

/* A block for each line of ${text}, which was cut already. */
static void
put_blocks(struct render_json *j, struct slice text)
{
	struct slice line;

	while (slice_split(&text, '\n', &line)) {
		if (!cut_is_blank(line))
			put_line(j, "", line, &look_text, SIZE_MAX);
	}
}

static void
put_text(struct render_json *j, struct slice s, size_t max)
{
	struct buf b;

	buf_init(&b, RENDER_MAX);
	cut_put(&b, s, &in_block, max);
	put_blocks(j, buf_slice(&b));
	j->out->failed |= !buf_ok(&b);
	buf_clear(&b);
}

static void
put_lines(struct render_json *j, const char *title, const struct render_lines *lines, size_t max)
{
	struct buf b;

	if (lines->count == 0)
		return;
	put_line(j, title, slice_of(""), &look_label, SIZE_MAX);
	buf_init(&b, RENDER_MAX);
	render_lines_put(&b, lines, &in_block, max);
	put_blocks(j, buf_slice(&b));
	j->out->failed |= !buf_ok(&b);
	buf_clear(&b);
}

static void
put_facts(struct render_json *j, const struct render_view *v)
{
	size_t i;

	for (i = 0; i < v->nfacts; i++) {
		open_block(j,
		    i == 0 ? &look_label : &(const struct look){look_text.block, look_label.run});
		render_join(j, slice_of(v->facts[i].label), slice_of(":"), &in_line, FACT_MAX);
		render_raw(j, "},{\"type\":\"TextRun\",\"text\":");
		render_join(j, slice_of(" "), v->facts[i].value, &in_line, FACT_MAX);
		render_raw(j, "}]}");
	}
}

/* All that follows the summary; ends the message. */
static void
put_tail(struct render_json *j, const struct render_view *v)
{
	put_facts(j, v);
	if (v->cause.ptr != NULL) {
		put_line(j, "Root cause", slice_of(""), &look_label, SIZE_MAX);
		put_text(j, v->cause, CAUSE_MAX);
	}
	put_lines(j, "Affected services", &v->services, SERVICES_MAX);
	put_lines(j, "Suggested actions", &v->actions, ACTIONS_MAX);
	if (v->late.ptr != NULL)
		put_line(j, "", v->late, &look_label, FOOTER_MAX);
	put_line(j, v->time, slice_of(""), &look_footer, FOOTER_MAX);
	open_block(j, &look_footer);
	render_join(j, slice_of("Event "), v->event_id, &in_line, FOOTER_MAX);
	render_raw(j, "}]}]");
	if (v->url.ptr != NULL) {
		render_raw(j,
		    ",\"actions\":[{\"type\":\"Action.OpenUrl\",\"title\":\"Open details\","
		    "\"url\":");
		json_put(j->out, v->url);
		render_raw(j, "}]");
	}
	render_raw(j, "}}]}");
}

static void
put_head(struct render_json *j, const struct render_view *v)
{
	render_raw(j, "{\"type\":\"message\",\"summary\":");
	render_join(j, v->heading, v->summary, &in_line, SUMMARY_MAX);
	render_raw(j,
	    ",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card.adaptive\","
	    "\"contentUrl\":null,\"content\":{\"$schema\":\"http://adaptivecards.io/schemas/"
	    "adaptive-card.json\",\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"msteams\":{"
	    "\"width\":\"Full\"},\"body\":[{\"type\":\"Container\",\"bleed\":true,\"style\":\"");
	render_raw(j, v->severity->teams_style);
	render_raw(j,
	    "\",\"items\":[{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\","
	    "\"weight\":\"Bolder\",\"color\":");
	json_put(j->out, slice_of(v->severity->teams));
	render_raw(j, ",\"text\":");
	render_text(j, v->heading, &in_line, SUMMARY_MAX);
	render_raw(j, "}]}");
	put_line(j, "", v->summary, &look_title, TITLE_MAX);
	render_raw(j, "]}");
	if (v->test.ptr != NULL)
		put_line(j, "", v->test, &look_label, TEST_MAX);
}

enum err
render_teams(const struct render_input *in, struct buf *out)
{
	const size_t began = out->len;
	struct render_json head, tail;
	struct render_view v;
	struct buf rest;
	enum err rc;

	buf_init(&rest, RENDER_MAX);
	render_json_init(&head, out);
	render_json_init(&tail, &rest);
	if ((rc = render_view_make(in, SERVICES, ACTIONS, &v)) != ERR_OK)
		goto out;
	put_tail(&tail, &v);
	put_head(&head, &v);
	if (!render_is_short(&head, &v, &in_line, TITLE_MAX))
		put_text(&head, v.summary,
		    MESSAGE_MAX - (out->len - began) - rest.len - LINES * BLOCK_SIZE);
	if ((rc = render_end(&tail)) != ERR_OK)
		goto out;
	buf_add(out, buf_slice(&rest));
	rc = render_end(&head);
out:
	render_json_clear(&head);
	render_json_clear(&tail);
	render_view_clear(&v);
	buf_clear(&rest);
	return (rc);
}
