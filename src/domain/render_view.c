/*
 * What a message says, for the five renderers that speak to people: which facts there are, what
 * they are called, how late it is, what may be a link.  How it looks is each renderer's own.
 */
#include "domain/render_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/url.h"

#define MINUTE_MS 60000

/* A link may hold these only as %XX: they end links in one platform's markup or another's. */
#define URL_UNSAFE "\"<>\\^`{|}"

const struct render_severity render_severities[SEVERITY__MAX] = {
    [SEVERITY_CRITICAL] = {"CRITICAL", 0x991b1b, "#991b1b", "Attention", "attention"},
    [SEVERITY_HIGH] = {"HIGH", 0xdc2626, "#dc2626", "Attention", "attention"},
    [SEVERITY_MEDIUM] = {"MEDIUM", 0xeab308, "#eab308", "Warning", "warning"},
    [SEVERITY_LOW] = {"LOW", 0x0891b2, "#0891b2", "Accent", "accent"},
    [SEVERITY_INFO] = {"INFO", 0x6b7280, "#6b7280", "Default", "emphasis"},
};

static struct slice
absent(void)
{
	return (slice_make(NULL, 0));
}

/* ${s}, or absent where there is nothing to see in it. */
static struct slice
visible(struct slice s)
{
	return (cut_is_blank(s) ? absent() : s);
}

static void
add_fact(struct render_view *v, const char *label, struct slice value)
{
	if (cut_is_blank(value))
		return;
	v->facts[v->nfacts].label = label;
	v->facts[v->nfacts++].value = value;
}

/* "87%" of 0.87; absent where it is no number from 0 to 1. */
static enum err
percent(struct arena *a, struct slice number, struct slice *out)
{
	char text[32], *end;
	double d;

	*out = absent();
	if (number.len >= sizeof(text) && memchr(number.ptr, '.', 2) != NULL &&
	    memchr(number.ptr, 'e', number.len) == NULL &&
	    memchr(number.ptr, 'E', number.len) == NULL)
		number.len = sizeof(text) - 1; /* of the digits behind 0. so many are enough */
	if (number.len == 0 || number.len >= sizeof(text))
		return (ERR_OK);
	memcpy(text, number.ptr, number.len);
	text[number.len] = '\0';
	d = strtod(text, &end);
	if (*end != '\0' || !(d >= 0 && d <= 1))
		return (ERR_OK);
	*out = slice_of(arena_printf(a, "%.0f%%", d * 100));
	return (out->ptr == NULL ? ERR_NOMEM : ERR_OK);
}

static enum err
make_facts(struct render_view *v, const struct event *e)
{
	struct slice confidence;

	if (percent(v->arena, e->confidence, &confidence) != ERR_OK)
		return (ERR_NOMEM);
	add_fact(v, "Project",
	    cut_is_blank(e->known.project_slug) ? e->known.project_id : e->known.project_slug);
	add_fact(v, "Service", e->cause.service);
	add_fact(v, "Error type", e->cause.error_type);
	add_fact(v, "Category", e->cause.category);
	add_fact(v, "Confidence", confidence);
	add_fact(v, "Analysis", e->analysis_id);
	return (ERR_OK);
}

/* The text that ${b} holds, kept; ${b} is empty again. */
static enum err
keep(struct render_view *v, struct buf *b, struct slice *out)
{
	bool ok = buf_ok(b);

	out->len = b->len;
	out->ptr = ok ? arena_dup(v->arena, buf_slice(b)) : NULL;
	buf_reset(b);
	return (out->ptr == NULL ? ERR_NOMEM : ERR_OK);
}

/* "checkout-api (origin, 12 errors)" */
static void
say_service(struct buf *b, const void *items, size_t i)
{
	const struct event_service *s = (const struct event_service *)items + i;
	const bool role = !cut_is_blank(s->role), errors = !cut_is_blank(s->error_count);
	const bool one = slice_eq(s->error_count, slice_of("1"));

	buf_add(b, s->name);
	if (!role && !errors)
		return;
	buf_add(b, slice_of(" ("));
	if (role)
		buf_add(b, s->role);
	if (role && errors)
		buf_add(b, slice_of(", "));
	if (errors) {
		buf_add(b, s->error_count);
		buf_add(b, slice_of(one ? " error" : " errors"));
	}
	buf_addc(b, ')');
}

/* "1. Raise the pool to 100 (fix): the demand is 85" */
static void
say_action(struct buf *b, const void *items, size_t i)
{
	const struct event_action *a = (const struct event_action *)items + i;

	buf_printf(b, "%zu. ", i + 1);
	buf_add(b, a->action);
	if (!cut_is_blank(a->type)) {
		buf_add(b, slice_of(" ("));
		buf_add(b, a->type);
		buf_addc(b, ')');
	}
	if (!cut_is_blank(a->rationale)) {
		buf_add(b, slice_of(": "));
		buf_add(b, a->rationale);
	}
}

/* The first ${max} of ${n} items as lines. */
static enum err
make_lines(struct render_view *v, struct render_lines *lines, const void *items, size_t n,
    size_t max, void (*say)(struct buf *b, const void *items, size_t i))
{
	enum err rc = ERR_OK;
	struct buf b;

	lines->count = 0;
	lines->more = n > max ? n - max : 0;
	lines->list = arena_alloc(v->arena, (n - lines->more) * sizeof(lines->list[0]));
	if (lines->list == NULL)
		return (ERR_NOMEM);
	buf_init(&b, EVENT_PAYLOAD_MAX);
	while (rc == ERR_OK && lines->count < n - lines->more) {
		say(&b, items, lines->count);
		rc = keep(v, &b, &lines->list[lines->count]);
		if (rc == ERR_OK && cut_is_blank(lines->list[lines->count]))
			lines->list[lines->count] = (struct slice)SLICE_LIT("(no name)");
		lines->count++;
	}
	buf_clear(&b);
	return (rc);
}

static bool
is_safe(unsigned char c)
{
	return (c > 0x20 && c < 0x7f && strchr(URL_UNSAFE, c) == NULL);
}

/* What a link may be: ${s} with its unsafe bytes as %XX, absent where no link can be made of it. */
static enum err
make_url(struct render_view *v, struct slice s)
{
	struct slice rest, before;
	enum err rc = ERR_OK;
	enum url_fault fault;
	struct url url;
	struct buf b;
	size_t i;

	v->url = absent();
	if (s.len == 0 || s.len > URL_MAX)
		return (ERR_OK);
	buf_init(&b, 3 * URL_MAX);
	for (i = 0; i < s.len; i++) {
		if (is_safe((unsigned char)s.ptr[i]))
			buf_addc(&b, s.ptr[i]);
		else
			buf_printf(&b, "%%%02X", (unsigned char)s.ptr[i]);
	}
	/* base/url refuses a fragment, which a link may have */
	rest = buf_slice(&b);
	if (!buf_ok(&b)) {
		rc = ERR_NOMEM;
	} else if (rest.len <= URL_MAX && slice_split(&rest, '#', &before)) {
		rc = url_parse(before, &url, &fault);
		if (rc == ERR_OK)
			rc = keep(v, &b, &v->url);
	}
	buf_clear(&b);
	return (rc == ERR_NOMEM ? rc : ERR_OK);
}

/* How long after ${from} ${to} is, in the two greatest units; absent where that is not late. */
static enum err
make_late(struct render_view *v, int64_t from, int64_t to)
{
	const int64_t minutes = (to - from) / MINUTE_MS;
	const long long d = minutes / 1440, h = minutes / 60 % 24, m = minutes % 60;
	const char *text;

	v->late = absent();
	if (to - from <= RENDER_LATE_MS)
		return (ERR_OK);
	if (d > 0)
		text = arena_printf(
		    v->arena, "Sent %lld d %lld h after the event was accepted.", d, h);
	else if (h > 0)
		text = arena_printf(
		    v->arena, "Sent %lld h %lld min after the event was accepted.", h, m);
	else
		text = arena_printf(v->arena, "Sent %lld min after the event was accepted.", m);
	v->late = slice_of(text);
	return (text == NULL ? ERR_NOMEM : ERR_OK);
}

static void
make_time(struct render_view *v, int64_t ms)
{
	clock_rfc3339(ms, v->rfc3339);
	snprintf(v->time, sizeof(v->time), "%.10s %.8s UTC", v->rfc3339, v->rfc3339 + 11);
}

static enum err
make_heading(struct render_view *v, const struct render_input *in)
{
	struct slice name = in->channel_name;
	const char *text;

	text = arena_printf(v->arena, "%s[%s] ", in->is_test ? "[TEST] " : "", v->severity->word);
	v->heading = slice_of(text);
	if (text == NULL || !in->is_test)
		return (text == NULL ? ERR_NOMEM : ERR_OK);
	if (cut_is_blank(name))
		name = slice_of("");
	text = arena_printf(v->arena, "This is a test of the channel%s%.*s.",
	    name.len > 0 ? " " : "", (int)(name.len < 1100 ? name.len : 1100), name.ptr);
	v->test = slice_of(text);
	return (text == NULL ? ERR_NOMEM : ERR_OK);
}

/* Messages of one analysis of one project belong together, others with nothing. */
static void
make_thread(struct render_view *v, const struct event *e)
{
	uint8_t digest[CRYPT_SHA256_LEN], both[2 * CRYPT_SHA256_LEN];

	crypt_sha256(e->known.project_id, both);
	crypt_sha256(
	    e->analysis_id.len > 0 ? e->analysis_id : e->known.id, both + CRYPT_SHA256_LEN);
	crypt_sha256(slice_make(both, sizeof(both)), digest);
	text_hex(digest, sizeof(v->thread) / 2, v->thread);
}

enum err
render_view_make(
    const struct render_input *in, size_t nservices, size_t nactions, struct render_view *v)
{
	const struct event *e = in->event;

	memset(v, 0, sizeof(*v));
	if ((v->arena = arena_new()) == NULL)
		return (ERR_NOMEM);
	v->severity = &render_severities[e->severity];
	v->summary = cut_is_blank(e->summary) ? slice_of("(no summary)") : e->summary;
	v->cause = visible(e->cause.description);
	v->event_id = e->known.id;
	v->delivery_id = in->delivery_id;
	make_time(v, e->known.occurred_ms);
	make_thread(v, e);
	if (make_heading(v, in) != ERR_OK || make_facts(v, e) != ERR_OK ||
	    make_url(v, e->url) != ERR_OK ||
	    make_late(v, e->known.accepted_ms, in->now_ms) != ERR_OK ||
	    make_lines(v, &v->services, e->services, e->nservices, nservices, say_service) !=
		ERR_OK)
		return (ERR_NOMEM);
	return (make_lines(v, &v->actions, e->actions, e->nactions, nactions, say_action));
}

void
render_view_clear(struct render_view *v)
{
	arena_free(v->arena);
	memset(v, 0, sizeof(*v));
}

void
render_json_init(struct render_json *j, struct buf *out)
{
	j->out = out;
	j->used = 0;
	buf_init(&j->scratch, RENDER_MAX);
}

void
render_json_clear(struct render_json *j)
{
	buf_clear(&j->scratch);
}

void
render_raw(struct render_json *j, const char *text)
{
	buf_add(j->out, slice_of(text));
}

/* The scratch becomes a string of ${out}. */
static void
flush(struct render_json *j)
{
	if (!buf_ok(&j->scratch))
		j->out->failed = true;
	json_put(j->out, buf_slice(&j->scratch));
	buf_reset(&j->scratch);
}

bool
render_is_short(
    struct render_json *j, const struct render_view *v, const struct cut_how *how, size_t max)
{
	struct cut_how any = *how;
	bool one;
	size_t n;

	any.lines = 0;
	n = cut_put(&j->scratch, v->summary, &any, SIZE_MAX) + cut_len(v->heading, how->unit);
	one = n <= max && memchr(buf_slice(&j->scratch).ptr, '\n', j->scratch.len) == NULL;
	j->out->failed |= !buf_ok(&j->scratch);
	buf_reset(&j->scratch);
	return (one);
}

void
render_text(struct render_json *j, struct slice s, const struct cut_how *how, size_t max)
{
	j->used += cut_put(&j->scratch, s, how, max);
	flush(j);
}

void
render_join(
    struct render_json *j, struct slice a, struct slice b, const struct cut_how *how, size_t max)
{
	const size_t n = cut_len(a, how->unit);

	buf_add(&j->scratch, a);
	j->used += n + cut_put(&j->scratch, b, how, max - n);
	flush(j);
}

/* "and 12 more" takes that many units at the most, with its line break. */
#define MORE_MAX 40

size_t
render_lines_put(
    struct buf *b, const struct render_lines *lines, const struct cut_how *how, size_t max)
{
	struct cut_how one = *how;
	size_t used = 0, i, room;
	const char *br;

	br = how->escapes != NULL && how->escapes['\n'] != NULL ? how->escapes['\n'] : "\n";
	one.lines = 1;
	for (i = 0; i < lines->count; i++) {
		/* each line has its share of what the lines before it left */
		room = (max - MORE_MAX - used) / (lines->count - i);
		if (i > 0) {
			buf_add(b, slice_of(br));
			used += cut_len(slice_of(br), how->unit);
			room -= cut_len(slice_of(br), how->unit);
		}
		used += cut_put(b, lines->list[i], &one, room);
	}
	if (lines->more > 0) {
		i = b->len;
		buf_printf(b, "%sand %zu more", br, lines->more);
		if (buf_ok(b))
			used += cut_len(slice_skip(buf_slice(b), i), how->unit);
	}
	return (used);
}

void
render_lines(
    struct render_json *j, const struct render_lines *lines, const struct cut_how *how, size_t max)
{
	j->used += render_lines_put(&j->scratch, lines, how, max);
	flush(j);
}

enum err
render_end(struct render_json *j)
{
	return (buf_ok(j->out) ? ERR_OK : ERR_NOMEM);
}
