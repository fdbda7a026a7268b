/* render_email: ASCII with CR LF, short lines, no header that an event or an address could add. */
#include "domain/render.h"

#include "events.h"

static const struct render_mail mail_sample = {SLICE_LIT("SigSentry <alerts@example.org>"),
    SLICE_LIT("on-call@example.com"), SLICE_LIT("bounce.example.org")};

static const struct render_mail *mail = &mail_sample;

static enum err
render(const struct render_input *in, struct buf *out)
{
	return (render_email(in, mail, out));
}

/* Every header that the message has, one line each, in this order. */
static const char *const names[] = {"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To",
    "References", "Auto-Submitted", "Precedence", "X-Auto-Response-Suppress", "List-Id",
    "Importance", "X-Priority", "MIME-Version", "Content-Type"};

/* Walk over the lines: all are short, the header has the names of ours and no other. */
static void
check_text(const char *row, struct slice text)
{
	struct slice rest = text, line;
	bool header = true;
	size_t i, name = 0;

	for (i = 0; i < text.len; i++)
		CHECK(row, (unsigned char)text.ptr[i] < 0x7f &&
			       (text.ptr[i] >= 0x20 || text.ptr[i] == '\r' || text.ptr[i] == '\n'));
	CHECK(row, slice_ends_nocase(text, slice_of("--\r\n")));
	while (slice_split(&rest, '\n', &line) && rest.ptr != NULL) {
		CHECK(row, line.len > 0 && line.ptr[line.len - 1] == '\r');
		line.len--;
		CHECK(row, memchr(line.ptr, '\r', line.len) == NULL && line.len <= 78);
		if (line.len == 0)
			header = false;
		if (!header || line.ptr[0] == ' ')
			continue;
		CHECK(row, name < NELEMS(names));
		CHECK(row, slice_starts(line, slice_of(names[name])));
		CHECK(row, line.ptr[strlen(names[name])] == ':');
		name++;
	}
	CHECK(row, name == NELEMS(names) && !header);
}

static void
check(const char *row, const struct render_input *in)
{
	struct buf out;

	buf_init(&out, RENDER_MAX);
	CHECK(row, render_email(in, &mail_sample, &out) == ERR_OK);
	check_text(row, buf_slice(&out));
	buf_clear(&out);
}

static void
test_extremes(void **state)
{
	(void)state;
	each_extreme(check);
}

static void
test_shows(void **state)
{
	static const char *const ordinary[] = {
	    "From: \"SigSentry\" <alerts@example.org>\r\nTo: on-call@example.com\r\n"
	    "Subject: [HIGH] Pool exhausted\r\nDate: Mon, 23 Nov 2026 17:20:03 +0000\r\n"
	    "Message-ID: <" DELIVERY_ID "@bounce.example.org>\r\n",
	    "\r\nAuto-Submitted: auto-generated\r\nPrecedence: bulk\r\n"
	    "X-Auto-Response-Suppress: All\r\n"
	    "List-Id: SigSentry alerts\r\n <checkout.sigsentry.bounce.example.org>\r\n"
	    "Importance: high\r\nX-Priority: 1\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/alternative;\r\n boundary=\"=_sigsentry_",
	    "Content-Type: text/plain; charset=utf-8\r\n",
	    "Content-Type: text/html; charset=utf-8\r\n", "\r\n[HIGH] Pool exhausted\r\n",
	    "\r\nTime: 2026-11-23 17:20:00 UTC\r\n", "\r\nProject: checkout\r\n",
	    "\r\nService: checkout-api\r\n", "\r\nConfidence: 87%\r\n", "\r\n20 < 85 & rising\r\n",
	    "\r\napi (origin, 12 errors)\r\ncart\r\n",
	    "\r\n1. Raise it (fix): demand is 85\r\n2. Roll back\r\n",
	    "\r\nDetails: https://dash.example.com/a/42?x=3D1&y=3D2\r\n",
	    "\r\nEvent " EVENT_ID "\r\nSent to the channel Ops\r\n", "#dc2626", "20 &lt; 8", NULL};
	static const char *const test[] = {"Subject: [TEST] [HIGH] Pool exhausted\r\n",
	    "\r\nThis is a test of the channel Ops.\r\n", "TEST &middot; HIGH", NULL};
	static const char *const late[] = {
	    "\r\nLate: Sent 5 min after the event was accepted.\r\n", NULL};
	static const char *const not_late[] = {"Late:", NULL};
	static const char *const left_out[] = {"Root cause", "Affected", "Suggested", "Details",
	    "Confidence", "Late", "TEST", "Importance", "X-Priority", NULL};

	(void)state;
	check_holds(PAYLOAD_ORDINARY, NULL, render, ordinary);
	check_holds(PAYLOAD_ORDINARY, as_test, render, test);
	check_holds(PAYLOAD_ORDINARY, as_late, render, late);
	check_lacks(PAYLOAD_ORDINARY, just_in_time, render, not_late);
	check_lacks(PAYLOAD_BARE, NULL, render, left_out);
}

static void
test_hostile(void **state)
{
	static const char payload[] = "{\"event\":\"a\",\"severity\":\"critical\",\"summary\":"
				      "\"x\\r\\nBcc: evil@example.com\\r\\n"
				      "\\r\\n--=_sigsentry <img src=x>'\\u0007x\"}";
	static const char *const want[] = {
	    "Subject: [CRITICAL] x Bcc: evil@example.com --=_sigsentry <img src=x>'x\r\nDate",
	    "\r\n--=3D_sigsentry <img", NULL};
	static const char *const not [] = {"><img", NULL};
	static const struct {
		const char *summary, *subject;
	} rows[] = {
	    {"plain", "Subject: [CRITICAL] plain\r\n"},
	    /* what looks like an encoded word is none */
	    {"=?UTF-8?B?QQ==?=", "Subject: =?UTF-8?B?W0NSSVRJQ0FMXSA9P1VURi04P0I/UVE9PT89?=\r\n"},
	    {"\\u00e9", "Subject: =?UTF-8?B?W0NSSVRJQ0FMXSDDqQ==?=\r\n"},
	};
	const char *wants[2] = {NULL, NULL};
	struct render_input in;
	struct event *e;
	char text[200];
	size_t i;

	(void)state;
	check_holds(payload, NULL, render, want);
	check_lacks(payload, NULL, render, not );
	e = event_of(payload);
	in = input_of(e);
	check("injection", &in);
	event_free(e);
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(text, sizeof(text),
		    "{\"event\":\"a\",\"severity\":\"critical\",\"summary\":\"%s\"}",
		    rows[i].summary);
		wants[0] = rows[i].subject;
		check_holds(text, NULL, render, wants);
	}
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *from, *to, *domain;
		const char *line; /* NULL: refused */
	} rows[] = {
	    {"a@b.example", "c@d.example", "b.example",
		"From: <a@b.example>\r\nTo: c@d.example\r\n"},
	    {"<a@b.example>", "c@d.example", "b.example", "From: <a@b.example>\r\n"},
	    {"A \"B\" \\ <a@b.example>", "c@d.example", "b.example",
		"From: \"A \\\"B\\\" \\\\\" <a@b.example>\r\n"},
	    {"\xc3\x89quipe <a@b.example>", "c@d.example", "b.example",
		"From: =?UTF-8?B?w4lxdWlwZQ==?= <a@b.example>\r\n"},
	    {"A\r\nBcc: x <a@b.example>", "c@d.example", "b.example",
		"From: \"A Bcc: x\" <a@b.example>\r\n"},
	    {"a@b.example", "o'brien+x@d.example", "b.example", "To: o'brien+x@d.example\r\n"},
	    {"a@b.example", "c@d.example\r\nBcc: x@y.example", "b.example", NULL},
	    {"a@b.example", "c@d.example, e@f.example", "b.example", NULL},
	    {"a@b.example", "c@@d.example", "b.example", NULL},
	    {"a@b.example", "c", "b.example", NULL},
	    {"a@b.example", "", "b.example", NULL},
	    {"a@b.example", "@d.example", "b.example", NULL},
	    {"a@b.example", "\xc3\xa9@d.example", "b.example", NULL},
	    {"", "c@d.example", "b.example", NULL},
	    {"A <a@b.example", "c@d.example", "b.example", NULL},
	    {"A <a@b.example\r\n>", "c@d.example", "b.example", NULL},
	    {"a@b.example", "c@d.example", "", NULL},
	    {"a@b.example", "c@d.example", "b.example>\r\nX: y", NULL},
	};
	struct render_mail m;
	const char *want[2] = {NULL, NULL};
	struct event *e = event_of(PAYLOAD_BARE);
	struct render_input in = input_of(e);
	struct buf out;
	size_t i;

	(void)state;
	mail = &m;
	for (i = 0; i < NELEMS(rows); i++) {
		m.from = slice_of(rows[i].from);
		m.to = slice_of(rows[i].to);
		m.domain = slice_of(rows[i].domain);
		buf_init(&out, RENDER_MAX);
		if (rows[i].line == NULL)
			CHECK(rows[i].to, render_email(&in, &m, &out) == ERR_INVALID);
		buf_clear(&out);
		want[0] = rows[i].line;
		if (rows[i].line != NULL)
			check_holds(PAYLOAD_BARE, NULL, render, want);
	}
	mail = &mail_sample;
	in.delivery_id = slice_of("x>\r\nX: y");
	assert_int_equal(render_email(&in, &mail_sample, &out), ERR_INVALID);
	buf_clear(&out);
	event_free(e);
}

/* A slug that can be no name in a domain gives way to the project's id. */
static void
test_list(void **state)
{
	static const char *const rows[][2] = {{"my-app", "<my-app.sigsentry."},
	    {"my_app", "<" PROJECT_ID ".sigsentry."}, {"", "<" PROJECT_ID ".sigsentry."},
	    {"-a", "<" PROJECT_ID ".sigsentry."}, {"a-", "<" PROJECT_ID ".sigsentry."},
	    {"a\r\nX: y", "<" PROJECT_ID ".sigsentry."}};
	struct event_known known = known_sample;
	struct render_input in;
	struct event *e;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		known.project_slug = slice_of(rows[i][0]);
		assert_int_equal(event_parse(slice_of(PAYLOAD_ORDINARY), &known, &e), ERR_OK);
		in = input_of(e);
		buf_init(&out, RENDER_MAX);
		assert_int_equal(render_email(&in, &mail_sample, &out), ERR_OK);
		CHECK(rows[i][0], strstr(buf_str(&out), rows[i][1]) != NULL);
		check_text(rows[i][0], buf_slice(&out));
		buf_clear(&out);
		event_free(e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_shows),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_list),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
