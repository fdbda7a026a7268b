/*
 * A Google Chat message (platforms.md §4): one card, whose text is a subset of HTML.  And the URL
 * it goes to, which asks for the thread and for the message to be made once.
 */
#include "domain/render.h"

#include "domain/render_view.h"

/* Bytes of the JSON; Google takes 32,000. */
#define MESSAGE_MAX 30000

/* Bytes of the parts, so that some are left for the summary. */
#define TITLE_MAX    600
#define TEST_MAX     800
#define FACT_MAX     600
#define CAUSE_MAX    6000
#define SERVICES_MAX 3000
#define ACTIONS_MAX  5000
#define END_SIZE     16 /* bytes that close the summary's widget */

#define SERVICES 20
#define ACTIONS  10
#define LINES    80

static const char *const html[CUT_ASCII] = {
    ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\n'] = "<br>"};

/* Where no HTML is read; should a client do, then '<' begins no tag and no mention. */
static const char *const no_tags[CUT_ASCII] = {['<'] = "<\xe2\x80\x8b"};

static const struct cut_how in_plain = {.unit = CUT_JSON, .escapes = no_tags, .lines = 1};
static const struct cut_how in_line = {.unit = CUT_JSON, .escapes = html, .lines = 1};
static const struct cut_how in_text = {.unit = CUT_JSON, .escapes = html, .lines = LINES};

static void
put_paragraph(struct render_json *j, struct slice s, size_t max)
{
	render_raw(j, "{\"textParagraph\":{\"text\":");
	render_text(j, s, &in_text, max);
	render_raw(j, "}}");
}

/* A section that has one paragraph. */
static void
open_section(struct render_json *j, const char *header)
{
	render_raw(j, "]},{\"header\":\"");
	render_raw(j, header);
	render_raw(j, "\",\"widgets\":[");
}

static void
put_lines(struct render_json *j, const char *header, const struct render_lines *lines, size_t max)
{
	if (lines->count == 0)
		return;
	open_section(j, header);
	render_raw(j, "{\"textParagraph\":{\"text\":");
	render_lines(j, lines, &in_text, max);
	render_raw(j, "}}");
}

static void
put_fact(struct render_json *j, const char *label, struct slice value)
{
	render_raw(j, "{\"decoratedText\":{\"wrapText\":true,\"topLabel\":\"");
	render_raw(j, label);
	render_raw(j, "\",\"text\":");
	render_text(j, value, &in_line, FACT_MAX);
	render_raw(j, "}}");
}

static void
put_facts(struct render_json *j, const struct render_view *v)
{
	size_t i;

	open_section(j, "Details");
	for (i = 0; i < v->nfacts; i++) {
		put_fact(j, v->facts[i].label, v->facts[i].value);
		render_raw(j, ",");
	}
	put_fact(j, "Time", slice_of(v->time));
	render_raw(j, ",");
	put_fact(j, "Event", v->event_id);
	if (v->late.ptr != NULL) {
		render_raw(j, ",");
		put_fact(j, "Late", v->late);
	}
}

/* All that follows the summary; ends the message. */
static void
put_tail(struct render_json *j, const struct render_view *v)
{
	put_facts(j, v);
	if (v->cause.ptr != NULL) {
		open_section(j, "Root cause");
		put_paragraph(j, v->cause, CAUSE_MAX);
	}
	put_lines(j, "Affected services", &v->services, SERVICES_MAX);
	put_lines(j, "Suggested actions", &v->actions, ACTIONS_MAX);
	if (v->url.ptr != NULL) {
		render_raw(j,
		    "]},{\"widgets\":[{\"buttonList\":{\"buttons\":[{\"text\":\"Open details\","
		    "\"onClick\":{\"openLink\":{\"url\":");
		json_put(j->out, v->url);
		render_raw(j, "}}}]}}");
	}
	buf_printf(j->out, "]}]}}],\"thread\":{\"threadKey\":\"sigsentry-%s\"}}", v->thread);
}

static void
put_head(struct render_json *j, const struct render_view *v)
{
	render_raw(j, "{\"fallbackText\":");
	render_join(j, v->heading, v->summary, &in_plain, TITLE_MAX);
	render_raw(j, ",\"cardsV2\":[{\"cardId\":");
	render_join(j, slice_of("event-"), v->event_id, &in_plain, TITLE_MAX);
	render_raw(j, ",\"card\":{\"header\":{\"title\":");
	render_join(j, v->heading, v->facts[0].value, &in_plain, TITLE_MAX);
	buf_printf(j->out, ",\"subtitle\":\"%s\"},\"sections\":[{\"widgets\":[", v->time);
	if (v->test.ptr != NULL) {
		put_paragraph(j, v->test, TEST_MAX);
		render_raw(j, ",");
	}
}

/* The severity in its colour, then the summary in ${max} bytes. */
static void
put_summary(struct render_json *j, const struct render_view *v, size_t max)
{
	struct buf mark;

	buf_init(&mark, 100);
	buf_printf(
	    &mark, "<b><font color=\"%s\">%s</font></b> ", v->severity->hex, v->severity->word);
	j->out->failed |= !buf_ok(&mark);
	render_raw(j, "{\"textParagraph\":{\"text\":");
	render_join(j, buf_slice(&mark), v->summary, &in_text, max);
	render_raw(j, "}}");
	buf_clear(&mark);
}

enum err
render_google_chat(const struct render_input *in, struct buf *out)
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
	put_summary(&head, &v, MESSAGE_MAX - (out->len - began) - rest.len - 100);
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

/* Is the parameter ${pair} one that is ours to set? */
static bool
is_ours(struct slice pair)
{
	static const struct slice names[] = {
	    SLICE_LIT("messageReplyOption="), SLICE_LIT("requestId="),
	    SLICE_LIT("threadKey="), /* deprecated; the body has one */
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (slice_starts(pair, names[i]))
			return (true);
	}
	return (false);
}

enum err
render_google_chat_url(struct slice stored, struct slice delivery_id, struct buf *out)
{
	struct slice query = stored, path, pair;

	(void)slice_split(&query, '?', &path);
	buf_add(out, path);
	buf_addc(out, '?');
	while (slice_split(&query, '&', &pair)) {
		if (pair.len == 0 || is_ours(pair))
			continue;
		buf_add(out, pair);
		buf_addc(out, '&');
	}
	buf_add(
	    out, slice_of("messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&requestId="));
	buf_add(out, delivery_id);
	return (buf_ok(out) ? ERR_OK : ERR_NOMEM);
}
