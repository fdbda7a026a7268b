/*
 * A Discord message (platforms.md §3): one embed, which pings nobody; Markdown is escaped.  And
 * the URL it goes to: version 10 of the API, asked to say what became of the message.
 */
#include "domain/render.h"

#include <string.h>

#include "domain/render_view.h"

/* Discord's limits, in UTF-16 units. */
#define EMBED_MAX       6000 /* the sum of all text */
#define TITLE_MAX       256
#define DESCRIPTION_MAX 4096
#define VALUE_MAX       1024

/* What the parts may take of the sum, so that some is left for the description. */
#define FACT_MAX   200
#define LINK_MAX   600
#define FOOTER_MAX 200

#define SERVICES 10
#define ACTIONS  5
#define LINES    60

/* A backslash before what Discord's Markdown knows; before any punctuation it is not shown. */
static const char *const markdown[CUT_ASCII] = {
    ['\\'] = "\\\\",
    ['*'] = "\\*",
    ['_'] = "\\_",
    ['~'] = "\\~",
    ['`'] = "\\`",
    ['|'] = "\\|",
    ['<'] = "\\<",
    ['['] = "\\[",
    [']'] = "\\]",
    ['('] = "\\(",
    [')'] = "\\)",
    [':'] = "\\:",
};

static const struct cut_how in_line = {
    .unit = CUT_UTF16, .escapes = markdown, .line_start = "-#>+", .lines = 1};
static const struct cut_how in_text = {
    .unit = CUT_UTF16, .escapes = markdown, .line_start = "-#>+", .lines = LINES};
static const struct cut_how in_footer = {.unit = CUT_UTF16, .lines = 1}; /* no Markdown there */

/* Begin a field; the first has no comma in front. */
static void
open_field(struct render_json *j, const char *name, bool inline_)
{
	render_raw(j, j->used == 0 ? "{\"inline\":" : ",{\"inline\":");
	render_raw(j, inline_ ? "true,\"name\":" : "false,\"name\":");
	render_join(j, slice_of(name), slice_of(""), &in_footer, TITLE_MAX);
	render_raw(j, ",\"value\":");
}

static void
put_field(struct render_json *j, const char *name, struct slice value, bool inline_, size_t max)
{
	if (value.ptr == NULL)
		return;
	open_field(j, name, inline_);
	render_text(j, value, inline_ ? &in_line : &in_text, max);
	render_raw(j, "}");
}

static void
put_lines(struct render_json *j, const char *name, const struct render_lines *lines)
{
	if (lines->count == 0)
		return;
	open_field(j, name, false);
	render_lines(j, lines, &in_text, VALUE_MAX);
	render_raw(j, "}");
}

/* Would Discord take it as an embed's URL?  A host without a dot is "not well formed" there. */
static bool
is_linkable(struct slice url)
{
	struct slice host;

	if (url.ptr == NULL)
		return (false);
	url = slice_skip(url, strlen("https://"));
	(void)slice_split(&url, '/', &host);
	return (memchr(host.ptr, '.', host.len) != NULL);
}

static void
put_fields(struct render_json *j, const struct render_view *v)
{
	size_t i;

	put_field(j, "Test", v->test, false, FACT_MAX);
	for (i = 0; i < v->nfacts; i++)
		put_field(j, v->facts[i].label, v->facts[i].value, true, FACT_MAX);
	put_field(j, "Root cause", v->cause, false, VALUE_MAX);
	put_lines(j, "Affected services", &v->services);
	put_lines(j, "Suggested actions", &v->actions);
	if (!is_linkable(v->url))
		put_field(j, "Details", v->url, false, LINK_MAX);
	put_field(j, "Late", v->late, false, FACT_MAX);
}

static void
put_title(struct render_json *j, const struct render_view *v)
{
	render_raw(j, ",\"title\":");
	render_join(j, v->heading, v->summary, &in_line, TITLE_MAX);
	if (is_linkable(v->url)) {
		render_raw(j, ",\"url\":");
		json_put(j->out, v->url);
	}
	buf_printf(j->out,
	    ",\"color\":%u,\"timestamp\":\"%s\",\"footer\":{\"text\":", v->severity->rgb,
	    v->rfc3339);
	render_join(j, slice_of("Event "), v->event_id, &in_footer, FOOTER_MAX);
	render_raw(j, "}");
}

enum err
render_discord(const struct render_input *in, struct buf *out)
{
	struct render_json j;
	struct render_view v;
	enum err rc;
	size_t room;

	render_json_init(&j, out);
	if ((rc = render_view_make(in, SERVICES, ACTIONS, &v)) != ERR_OK)
		goto out;
	render_raw(&j, "{\"allowed_mentions\":{\"parse\":[]},\"embeds\":[{\"fields\":[");
	put_fields(&j, &v);
	render_raw(&j, "]");
	put_title(&j, &v);
	/* last, since it takes what the others left */
	room = EMBED_MAX - j.used;
	if (!render_is_short(&j, &v, &in_line, TITLE_MAX)) {
		render_raw(&j, ",\"description\":");
		render_text(
		    &j, v.summary, &in_text, room < DESCRIPTION_MAX ? room : DESCRIPTION_MAX);
	}
	render_raw(&j, "}]}");
	rc = render_end(&j);
out:
	render_json_clear(&j);
	render_view_clear(&v);
	return (rc);
}

/* Take the next segment of ${path}, '/' and what follows it up to the next one. */
static struct slice
segment(struct slice *path)
{
	const char *end;
	struct slice s = *path;

	if (s.len == 0 || s.ptr[0] != '/')
		return (slice_make(s.ptr, 0));
	end = memchr(s.ptr + 1, '/', s.len - 1);
	s.len = end == NULL ? s.len : (size_t)(end - s.ptr);
	*path = slice_skip(*path, s.len);
	return (s);
}

/* "/v6": a version of the API. */
static bool
is_version(struct slice s)
{
	uint64_t n;

	return (slice_starts(s, slice_of("/v")) &&
		text_u64(slice_skip(s, 2), UINT64_MAX, &n) == ERR_OK);
}

/* Append the path as version 10 has it, or as it stands where it is no webhook's of Discord. */
static void
put_path(struct buf *out, struct slice path)
{
	struct slice rest = path, id, token, next;

	next = segment(&rest);
	if (slice_eq(next, slice_of("/api"))) {
		next = segment(&rest);
		if (is_version(next))
			next = segment(&rest);
		if (slice_eq(next, slice_of("/webhooks"))) {
			id = segment(&rest);
			token = segment(&rest);
			buf_add(out, slice_of("/api/v10/webhooks"));
			buf_add(out, id);
			buf_add(out, token);
			return;
		}
	}
	buf_add(out, path);
}

enum err
render_discord_url(struct slice stored, struct slice delivery_id, struct buf *out)
{
	struct slice scheme = SLICE_LIT("https://"), query = stored, path, host, pair;
	const char *slash;

	(void)delivery_id;
	(void)slice_split(&query, '?', &path);
	host = path;
	slash = path.len > scheme.len ? memchr(path.ptr + scheme.len, '/', path.len - scheme.len)
				      : NULL;
	if (slash != NULL)
		host.len = (size_t)(slash - path.ptr);
	buf_add(out, host);
	put_path(out, slice_skip(path, host.len));
	buf_add(out, slice_of("?wait=true"));
	while (slice_split(&query, '&', &pair)) {
		if (slice_starts(pair, slice_of("thread_id="))) {
			buf_addc(out, '&');
			buf_add(out, pair);
		}
	}
	return (buf_ok(out) ? ERR_OK : ERR_NOMEM);
}
