/* What all renderers share: the table, what may be a link, how late it is, what is blank. */
#include "domain/render.h"

#include "domain/channel.h"
#include "domain/render_view.h"
#include "events.h"

/* How many allocations still succeed; negative: all (the linker leads malloc and calloc here). */
static long allocations_left = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

/* Every allocation but one succeeds. */
static bool
is_the_one(void)
{
	return (allocations_left >= 0 && allocations_left-- == 0);
}

void *
__wrap_malloc(size_t size)
{
	return (is_the_one() ? NULL : __real_malloc(size));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return (is_the_one() ? NULL : __real_calloc(n, size));
}

static enum err
render_mail(const struct render_input *in, struct buf *out)
{
	const struct render_mail mail = {
	    slice_of("\xc3\xa9 <a@b.example>"), slice_of("c@d.example"), slice_of("b.example")};

	return (render_email(in, &mail, out));
}

/* Where one allocation fails a renderer says so, or it made the whole message without it. */
static void
check_memory(const char *row, const struct render_input *in,
    enum err (*render)(const struct render_input *in, struct buf *out))
{
	struct buf whole, out;
	enum err rc;
	long n;

	buf_init(&whole, RENDER_MAX);
	assert_int_equal(render(in, &whole), ERR_OK);
	for (n = 0; n < 10000; n++) {
		buf_init(&out, RENDER_MAX);
		allocations_left = n;
		rc = render(in, &out);
		if (rc == ERR_OK)
			CHECK(row, slice_eq(buf_slice(&out), buf_slice(&whole)));
		else
			CHECK(row, rc == ERR_NOMEM);
		buf_clear(&out);
		if (allocations_left >= 0) /* there were not so many */
			break;
	}
	allocations_left = -1;
	CHECK(row, n > 1 && n < 10000);
	buf_clear(&whole);
}

static void
test_memory(void **state)
{
	struct event *e = event_of(PAYLOAD_ORDINARY);
	struct render_input in = input_of(e);
	size_t i;

	(void)state;
	in.is_test = true;
	in.now_ms += RENDER_LATE_MS;
	for (i = 0; i < CHANNEL__MAX; i++)
		check_memory(channel_type_words[i], &in,
		    i == CHANNEL_EMAIL ? render_mail : render_posts[i].body);
	event_free(e);
}

static void
test_table(void **state)
{
	struct event *e = event_of(PAYLOAD_ORDINARY);
	struct render_input in = input_of(e);
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, RENDER_MAX);
	for (i = 0; i < CHANNEL__MAX; i++) {
		if (i == CHANNEL_EMAIL)
			continue;
		CHECK(channel_type_words[i], render_posts[i].content_type != NULL);
		buf_reset(&b);
		CHECK(channel_type_words[i], render_posts[i].body(&in, &b) == ERR_OK);
		CHECK(channel_type_words[i], strstr(buf_str(&b), EVENT_ID) != NULL);
		buf_reset(&b);
		CHECK(channel_type_words[i], render_posts[i].url(slice_of("https://h.example/x"),
						 in.delivery_id, &b) == ERR_OK);
		CHECK(channel_type_words[i],
		    slice_starts(buf_slice(&b), slice_of("https://h.example/x")));
	}
	assert_null(render_posts[CHANNEL_EMAIL].body);
	buf_clear(&b);
	event_free(e);
}

/* The view of an event in which one field is ${value}, JSON. */
static struct event *
view_of(struct render_view *v, const char *field, const char *value, int64_t late_ms)
{
	struct render_input in;
	char payload[4000];
	struct event *e;

	snprintf(payload, sizeof(payload), "{\"event\":\"a\",\"severity\":\"low\",%s\"%s\":%s}",
	    strcmp(field, "summary") == 0 ? "" : "\"summary\":\"s\",", field, value);
	e = event_of(payload);
	in = input_of(e);
	in.now_ms = ACCEPTED_MS + late_ms;
	assert_int_equal(render_view_make(&in, 5, 5, v), ERR_OK);
	return (e);
}

static void
test_url(void **state)
{
	static const char *const rows[][2] = {
	    {"\"https://a.example\"", "https://a.example"},
	    {"\"https://a.example/x?y=1&z=2#/frag?ment\"",
		"https://a.example/x?y=1&z=2#/frag?ment"},
	    {"\"https://a.example/<a>\\\"|{}^`\\\\ \\u00e9\"",
		"https://a.example/%3Ca%3E%22%7C%7B%7D%5E%60%5C%20%C3%A9"},
	    {"\"HTTPS://a.example/\"", "HTTPS://a.example/"},
	    {"\"http://a.example/\"", NULL},
	    {"\"javascript:alert(1)\"", NULL},
	    {"\"https://\"", NULL},
	    {"\"https://u:p@a.example/\"", NULL},
	    {"\"https://a.example\\r\\n.b/\"", NULL},
	    {"\"https://a.example:0/\"", NULL},
	    {"\"\"", NULL},
	    {"7", NULL},
	    {"null", NULL},
	};
	struct render_view v;
	struct event *e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		e = view_of(&v, "url", rows[i][0], 0);
		CHECK(rows[i][0], slice_eq(v.url, slice_of(rows[i][1])));
		CHECK(rows[i][0], (v.url.ptr == NULL) == (rows[i][1] == NULL));
		render_view_clear(&v);
		event_free(e);
	}
}

/* 2,048 bytes may be a link, counted as it is sent. */
static void
test_url_length(void **state)
{
	static const struct {
		size_t n;
		char last;
		bool link;
	} rows[] = {{2048, 'x', true}, {2049, 'x', false}, {2046, '|', true}, {2047, '|', false}};
	struct render_view v;
	struct event *e;
	char value[2100];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		memset(value, 'x', sizeof(value));
		memcpy(value, "\"https://a.example/", 19);
		value[rows[i].n] = rows[i].last;
		memcpy(value + rows[i].n + 1, "\"", 2);
		e = view_of(&v, "url", value, 0);
		CHECK(value + rows[i].n - 4, (v.url.ptr != NULL) == rows[i].link);
		render_view_clear(&v);
		event_free(e);
	}
}

static void
test_late(void **state)
{
	static const struct {
		int64_t ms;
		const char *want;
	} rows[] = {
	    {-86400000, NULL},
	    {0, NULL},
	    {300000, NULL},
	    {300001, "Sent 5 min after the event was accepted."},
	    {3599999, "Sent 59 min after the event was accepted."},
	    {3600000, "Sent 1 h 0 min after the event was accepted."},
	    {86400000 - 1, "Sent 23 h 59 min after the event was accepted."},
	    {86400000, "Sent 1 d 0 h after the event was accepted."},
	    {60LL * 86400000 + 7200000, "Sent 60 d 2 h after the event was accepted."},
	};
	struct render_view v;
	struct event *e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		e = view_of(&v, "x", "1", rows[i].ms);
		assert_true(slice_eq(v.late, slice_of(rows[i].want)));
		render_view_clear(&v);
		event_free(e);
	}
}

static void
test_confidence(void **state)
{
	static const char *const rows[][2] = {{"0", "0%"}, {"1", "100%"}, {"0.87", "87%"},
	    {"8.7e-1", "87%"}, {"0.005", "0%"}, {"\"0.5\"", "50%"}, {"-0.1", NULL}, {"1.01", NULL},
	    {"1e400", NULL}, {"\"x\"", NULL}, {"true", NULL},
	    {"0.870000000000000000000000000000000000000000001", "87%"},
	    {"0.870000000000000000000000000000000000000000e-10", NULL}};
	struct render_view v;
	struct event *e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		e = view_of(&v, "confidence", rows[i][0], 0);
		CHECK(rows[i][0], (v.nfacts == 2) == (rows[i][1] != NULL));
		if (v.nfacts == 2)
			CHECK(rows[i][0], slice_eq(v.facts[1].value, slice_of(rows[i][1])));
		render_view_clear(&v);
		event_free(e);
	}
}

/* Blank fields are missing ones; of long lists the first are shown, and how many more there are. */
static void
test_lines(void **state)
{
	static const struct cut_how how = {.unit = CUT_CODE_POINTS};
	struct render_view v;
	struct event *e;
	struct buf b;
	size_t used;

	(void)state;
	e = view_of(&v, "summary", "\"\\u200b \"", 0);
	assert_true(slice_eq(v.summary, slice_of("(no summary)")));
	render_view_clear(&v);
	event_free(e);
	e = view_of(&v, "affectedServices",
	    "[\"a\",\" \",{\"serviceName\":\"c\",\"role\":\" \",\"errorCount\":1},"
	    "{\"serviceName\":\"d\",\"role\":\"origin\"},{\"errorCount\":3},\"e\",\"f\",\"g\"]",
	    0);
	assert_int_equal(v.services.count, 5);
	assert_int_equal(v.services.more, 2);
	buf_init(&b, 1000);
	used = render_lines_put(&b, &v.services, &how, 500);
	assert_int_equal(used, b.len);
	assert_string_equal(buf_str(&b), "a\n(no name)\nc (1 error)\nd (origin)\ne\nand 2 more");
	buf_clear(&b);
	render_view_clear(&v);
	event_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_url),
	    cmocka_unit_test(test_url_length),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_confidence),
	    cmocka_unit_test(test_lines),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
