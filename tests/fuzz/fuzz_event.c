/* An event's payload and the six messages made of it: JSON that reads again, or a mail whose lines
 * no text can break; each below its limit. */
#include "domain/event.h"

#include <string.h>

#include "domain/render.h"
#include "fuzz.h"

#define AT_MS INT64_C(1764043200000)

static const struct event_known known = {
    .id = SLICE_LIT("0192a000-0000-7000-8000-000000000001"),
    .tenant_id = SLICE_LIT("0192a000-0000-7000-8000-000000000002"),
    .project_id = SLICE_LIT("0192a000-0000-7000-8000-000000000003"),
    .project_slug = SLICE_LIT("shop"),
    .occurred_ms = AT_MS,
    .accepted_ms = AT_MS,
};

static void
check_json(enum err (*render)(const struct render_input *in, struct buf *out),
    const struct render_input *in)
{
	struct json_fault fault;
	struct json *tree;
	struct buf out;

	buf_init(&out, RENDER_MAX);
	MUST(render(in, &out) == ERR_OK && buf_ok(&out) && fuzz_is_utf8(buf_slice(&out)));
	MUST(
	    json_parse(buf_slice(&out), &tree, &fault) == ERR_OK && json_type(tree) == JSON_OBJECT);
	json_free(tree);
	buf_clear(&out);
}

/* RFC 5322: ASCII, CR LF at each end and nowhere else, lines of at most 998 bytes. */
static void
check_mail(const struct render_input *in)
{
	static const struct render_mail mail = {
	    SLICE_LIT("alerts@example.org"), SLICE_LIT("a@example.com"), SLICE_LIT("example.org")};
	size_t i, line = 0;
	struct buf out;

	buf_init(&out, RENDER_MAX);
	MUST(render_email(in, &mail, &out) == ERR_OK && out.len > 2);
	for (i = 0; i < out.len; i++, line++) {
		MUST(out.ptr[i] > 0 && line <= 999);
		MUST((out.ptr[i] == '\r') == (i + 1 < out.len && out.ptr[i + 1] == '\n'));
		if (out.ptr[i] == '\n') {
			MUST(i > 0 && out.ptr[i - 1] == '\r');
			line = SIZE_MAX;
		}
	}
	MUST(out.ptr[out.len - 1] == '\n');
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size);
	struct render_input in = {.delivery_id = SLICE_LIT("0192a000-0000-7000-8000-000000000004"),
	    .channel_name = SLICE_LIT("#alerts"),
	    .now_ms = AT_MS + 1000};
	struct event *e;

	if (event_parse(text, &known, &e) != ERR_OK) {
		MUST(e == NULL);
		return (0);
	}
	MUST(e->name.len > 0 && e->summary.len > 0 && e->severity < SEVERITY__MAX);
	in.event = e;
	in.now_ms += size % 2 == 0 ? 0 : RENDER_LATE_MS;
	check_json(render_slack, &in);
	check_json(render_teams, &in);
	check_json(render_discord, &in);
	check_json(render_google_chat, &in);
	check_json(render_webhook, &in);
	check_mail(&in);
	event_free(e);
	return (0);
}
