#ifndef TESTS_UNIT_EVENTS_H
#define TESTS_UNIT_EVENTS_H

/* Events to render, and JSON payloads to look into. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/json.h"
#include "check.h"
#include "domain/cut.h"
#include "domain/event.h"
#include "domain/render.h"

#define OCCURRED_MS 1795454400000LL /* 2026-11-23T17:20:00Z */
#define ACCEPTED_MS (OCCURRED_MS + 1000)
#define EVENT_ID    "0199aaaa-0000-7000-8000-000000000001"
#define TENANT_ID   "0199aaaa-0000-7000-8000-000000000002"
#define PROJECT_ID  "0199aaaa-0000-7000-8000-000000000003"
#define DELIVERY_ID "0199aaaa-0000-7000-8000-000000000004"

static const struct event_known known_sample = {SLICE_LIT(EVENT_ID), SLICE_LIT(TENANT_ID),
    SLICE_LIT(PROJECT_ID), SLICE_LIT("checkout"), OCCURRED_MS, ACCEPTED_MS};

#define PAYLOAD_ORDINARY                                                                         \
	"{\"event\":\"analysis.complete\",\"analysisId\":\"42\",\"severity\":\"high\","          \
	"\"summary\":\"Pool exhausted\",\"url\":\"https://dash.example.com/a/42?x=1&y=2\","      \
	"\"confidence\":0.87,\"rootCause\":{\"description\":\"20 < 85 & rising\","               \
	"\"service\":\"checkout-api\",\"errorType\":\"PoolTimeout\",\"category\":\"resource\"}," \
	"\"affectedServices\":[{\"serviceName\":\"api\",\"role\":\"origin\",\"errorCount\":12}," \
	"\"cart\"],\"suggestedActions\":[{\"priority\":1,\"action\":\"Raise it\","               \
	"\"rationale\":\"demand is 85\",\"type\":\"fix\"},\"Roll back\"]}"

/* With nothing that may be left out. */
#define PAYLOAD_BARE "{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"s\"}"

/* Of which the texts of extreme events are made; JSON escapes. */
static const char *const fragments[] = {"A", "word ", "\xc3\xa9", "\xe6\xbc\xa2",
    "\xf0\x9f\x98\x80", "&", "<", ">", "\\\"", "\\\\", "'", "\\n", "a\\n\\n", "\\r\\n", "- x\\n",
    "*", "_", "`", "|", ":smile: ", "{{DATE(2020-01-01T00:00:00Z)}}", "<!channel> ", "@everyone ",
    "<@1> ", "[a](https://evil.example) ", "</b><script>", "\\u202e", "\\u0007x", "e\\u0301",
    "\\ud83d\\udc69\\u200d", "\\u0301", "\\u200b", " ", "\\t", "\\u3000",
    "=?UTF-8?B?QQ==?= ", ".\\n", "From \\n", "\\u2028x"};

static inline struct event *
event_of(const char *payload)
{
	struct event *e = NULL;

	if (event_parse(slice_of(payload), &known_sample, &e) != ERR_OK)
		fail_msg("no event: %.100s", payload);
	return (e);
}

static inline struct render_input
input_of(const struct event *e)
{
	struct render_input in = {.event = e,
	    .delivery_id = slice_of(DELIVERY_ID),
	    .channel_name = slice_of("Ops"),
	    .now_ms = ACCEPTED_MS + 2000};

	return (in);
}

static inline void
repeat(struct buf *b, const char *name, const char *fragment, size_t n)
{
	buf_printf(b, "\"%s\":\"", name);
	while (n-- > 0)
		buf_add(b, slice_of(fragment));
	buf_addc(b, '"');
}

/* An event with every field, every text ${n} times ${fragment}, and ${items} of each list. */
static inline struct event *
event_extreme(const char *fragment, size_t n, size_t items)
{
	struct event *e;
	struct buf b;
	size_t i;

	buf_init(&b, EVENT_PAYLOAD_MAX);
	buf_add(&b, slice_of("{\"event\":\"a.b\",\"severity\":\"critical\",\"confidence\":1,"));
	repeat(&b, "summary", fragment, n);
	repeat((buf_addc(&b, ','), &b), "analysisId", fragment, n > 255 ? 255 : n);
	buf_add(&b, slice_of(",\"rootCause\":{"));
	repeat(&b, "description", fragment, n);
	repeat((buf_addc(&b, ','), &b), "service", fragment, n);
	repeat((buf_addc(&b, ','), &b), "errorType", fragment, n);
	repeat((buf_addc(&b, ','), &b), "category", fragment, n);
	buf_add(&b, slice_of("},\"url\":\"https://example.com/"));
	/* none, 940 letters, which is nearly the longest link in Slack's markup, or too long for
	 * one */
	for (i = 0; n % 3 == 2 && i < 940; i++)
		buf_addc(&b, 'x');
	for (i = 0; n % 3 == 1 && i < 1000; i++)
		buf_addc(&b, i % 2 == 0 ? '&' : '|');
	buf_add(&b, slice_of("\",\"affectedServices\":["));
	for (i = 0; i < items; i++) {
		buf_add(&b, slice_of(i > 0 ? ",{\"errorCount\":123456789," : "{"));
		repeat(&b, "serviceName", fragment, n / 10 + 1);
		repeat((buf_addc(&b, ','), &b), "role", fragment, 3);
		buf_addc(&b, '}');
	}
	buf_add(&b, slice_of("],\"suggestedActions\":["));
	for (i = 0; i < items; i++) {
		buf_add(&b, slice_of(i > 0 ? ",{\"type\":\"fix\"," : "{"));
		repeat(&b, "action", fragment, n / 10 + 1);
		repeat((buf_addc(&b, ','), &b), "rationale", fragment, n / 10);
		buf_addc(&b, '}');
	}
	buf_add(&b, slice_of("]}"));
	CHECK(fragment, buf_ok(&b));
	e = event_of(buf_str(&b));
	e->known.project_slug = e->cause.service; /* no slug is like that */
	buf_clear(&b);
	return (e);
}

/* Call ${check} with a late test of every extreme event. */
static inline void
each_extreme(void (*check)(const char *row, const struct render_input *in))
{
	static const size_t sizes[][2] = {{1, 0}, {3, 1}, {29, 3}, {256, 60}, {2000, 12}};
	struct render_input in;
	struct event *e;
	char row[80];
	size_t i, k;

	for (i = 0; i < NELEMS(fragments); i++) {
		for (k = 0; k < NELEMS(sizes); k++) {
			e = event_extreme(fragments[i], sizes[k][0], sizes[k][1]);
			in = input_of(e);
			in.is_test = true;
			in.now_ms += 86400000;
			snprintf(row, sizeof(row), "%zu times %s", sizes[k][0], fragments[i]);
			check(row, &in);
			event_free(e);
		}
	}
}

/* Render into a tree, which the caller frees. */
static inline struct json *
render_json(const char *row, const struct render_input *in,
    enum err (*render)(const struct render_input *in, struct buf *out), size_t *size)
{
	struct json_fault fault;
	struct json *v = NULL;
	struct buf out;

	buf_init(&out, RENDER_MAX);
	CHECK(row, render(in, &out) == ERR_OK);
	*size = out.len;
	if (json_parse(buf_slice(&out), &v, &fault) != ERR_OK)
		fail_msg("%s: %s: %.300s", row, fault.message, buf_str(&out));
	buf_clear(&out);
	return (v);
}

/* The text that a renderer gives of ${payload}; the caller frees it. */
static inline char *
render_of(const char *payload, void (*change)(struct render_input *in),
    enum err (*render)(const struct render_input *in, struct buf *out))
{
	struct event *e = event_of(payload);
	struct render_input in = input_of(e);
	struct buf out;
	char *text;

	if (change != NULL)
		change(&in);
	buf_init(&out, RENDER_MAX);
	CHECK(payload, render(&in, &out) == ERR_OK);
	assert_non_null(text = strdup(buf_str(&out)));
	buf_clear(&out);
	event_free(e);
	return (text);
}

static inline void
as_test(struct render_input *in)
{
	in->is_test = true;
}

static inline void
as_late(struct render_input *in)
{
	in->now_ms = in->event->known.accepted_ms + RENDER_LATE_MS + 1;
}

static inline void
just_in_time(struct render_input *in)
{
	in->now_ms = in->event->known.accepted_ms + RENDER_LATE_MS;
}

/* Does the rendering of ${payload} hold each of the texts in ${want}, which ends with NULL? */
static inline void
check_holds(const char *payload, void (*change)(struct render_input *in),
    enum err (*render)(const struct render_input *in, struct buf *out), const char *const want[])
{
	char *text = render_of(payload, change, render);

	for (; *want != NULL; want++) {
		if (strstr(text, *want) == NULL)
			fail_msg("no %s in %s", *want, text);
	}
	free(text);
}

static inline void
check_lacks(const char *payload, void (*change)(struct render_input *in),
    enum err (*render)(const struct render_input *in, struct buf *out), const char *const not [])
{
	char *text = render_of(payload, change, render);

	for (; *not != NULL; not ++) {
		if (strstr(text, *not ) != NULL)
			fail_msg("%s in %s", *not, text);
	}
	free(text);
}

/** A walk through a tree: every string with the name it stands under. */
struct walk {
	void (*see)(void *ctx, struct slice name, const struct json *v);
	void *ctx;
};

static inline void walk(const struct walk *w, struct slice name, struct json *v);

static inline bool
walk_member(void *ctx, struct slice name, struct json *value)
{
	walk(ctx, name, value);
	return (true);
}

static inline void
walk(const struct walk *w, struct slice name, struct json *v)
{
	size_t i;

	w->see(w->ctx, name, v);
	for (i = 0; json_type(v) == JSON_ARRAY && i < json_len(v); i++)
		walk(w, name, json_at(v, i));
	json_each(v, walk_member, (void *)(uintptr_t)w);
}

static inline size_t
utf16(const struct json *v)
{
	return (cut_len(json_string(v), CUT_UTF16));
}

#endif
