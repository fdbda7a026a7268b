/*
 * An e-mail (platforms.md §6): a whole RFC 5322 message for one recipient, plain text and HTML of
 * the same.  It is ASCII on the wire: header words are encoded (RFC 2047), the parts
 * quoted-printable (RFC 2045 §6.7), so no server needs an extension.
 */
#include "domain/render.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "domain/render_view.h"

#define SUBJECT_MAX 200 /* code points */
#define NAME_MAX    100
#define BODY_MAX    10000 /* the whole of any summary */
#define CAUSE_MAX   5000
#define FACT_MAX    500
#define LIST_MAX    4000

#define SERVICES 50
#define ACTIONS  20
#define LINES    500

#define HEADER_LINE 76 /* characters that a header's line shall have at the most */
#define WORD_BYTES  39 /* of text in an encoded word, so that it fits behind "Subject: " */
#define QP_LINE     75 /* characters of a quoted-printable line before its "=" */
#define LABEL_MAX   63 /* of a domain name */
#define PART_MAX    (1024 * 1024)

/* "=_" cannot be in quoted-printable text, so no part can hold the boundary. */
#define BOUNDARY "=_sigsentry_"

static const char *const html[CUT_ASCII] = {
    ['&'] = "&amp;",
    ['<'] = "&lt;",
    ['>'] = "&gt;",
    ['"'] = "&quot;",
    ['\''] = "&#39;",
    ['\n'] = "<br>\n",
};

static const struct cut_how plain_line = {.unit = CUT_CODE_POINTS, .lines = 1};
static const struct cut_how plain_text = {.unit = CUT_CODE_POINTS, .lines = LINES};
static const struct cut_how html_line = {.unit = CUT_CODE_POINTS, .escapes = html, .lines = 1};
static const struct cut_how html_text = {.unit = CUT_CODE_POINTS, .escapes = html, .lines = LINES};

static void
put(struct buf *b, const char *text)
{
	buf_add(b, slice_of(text));
}

/* The parts ------------------------------------------------------------------------------------ */

static void
plain_lines(struct buf *b, const char *title, const struct render_lines *lines)
{
	if (lines->count == 0)
		return;
	buf_printf(b, "\n%s\n", title);
	render_lines_put(b, lines, &plain_text, LIST_MAX);
	put(b, "\n");
}

static void
plain_footer(struct buf *b, const struct render_view *v, const struct render_input *in)
{
	if (v->url.ptr != NULL) {
		put(b, "\nDetails: ");
		buf_add(b, v->url);
		put(b, "\n");
	}
	put(b, "\n-- \nEvent ");
	cut_put(b, v->event_id, &plain_line, FACT_MAX);
	if (!cut_is_blank(in->channel_name)) {
		put(b, "\nSent to the channel ");
		cut_put(b, in->channel_name, &plain_line, FACT_MAX);
	}
	put(b, "\n");
}

static void
plain_part(struct buf *b, const struct render_view *v, const struct render_input *in)
{
	size_t i;

	buf_add(b, v->heading);
	cut_put(b, v->summary, &plain_text, BODY_MAX);
	put(b, "\n\n");
	if (v->test.ptr != NULL) {
		cut_put(b, v->test, &plain_line, BODY_MAX);
		put(b, "\n\n");
	}
	buf_printf(b, "Time: %s\n", v->time);
	if (v->late.ptr != NULL)
		buf_printf(b, "Late: %s\n", v->late.ptr);
	for (i = 0; i < v->nfacts; i++) {
		buf_printf(b, "%s: ", v->facts[i].label);
		cut_put(b, v->facts[i].value, &plain_line, FACT_MAX);
		put(b, "\n");
	}
	if (v->cause.ptr != NULL) {
		put(b, "\nRoot cause\n");
		cut_put(b, v->cause, &plain_text, CAUSE_MAX);
		put(b, "\n");
	}
	plain_lines(b, "Affected services", &v->services);
	plain_lines(b, "Suggested actions", &v->actions);
	plain_footer(b, v, in);
}

/* Untrusted text finds its own direction and turns nobody else's. */
#define ISOLATED "dir=\"auto\" style=\"unicode-bidi:isolate;"

static void
html_fact(struct buf *b, const char *label, struct slice value)
{
	buf_printf(b,
	    "<tr><td style=\"padding:2px 12px 2px 0;color:#6b7280;vertical-align:top\">%s</td>\n"
	    "<td " ISOLATED "padding:2px 0\">",
	    label);
	cut_put(b, value, &html_line, FACT_MAX);
	put(b, "</td></tr>\n");
}

static void
html_paragraph(struct buf *b, const char *title, struct slice s)
{
	if (s.ptr == NULL)
		return;
	buf_printf(b, "<h2 style=\"font-size:15px;margin:16px 0 4px\">%s</h2>\n", title);
	put(b, "<p " ISOLATED "margin:0\">");
	cut_put(b, s, &html_text, CAUSE_MAX);
	put(b, "</p>\n");
}

static void
html_lines(struct buf *b, const char *title, const struct render_lines *lines)
{
	if (lines->count == 0)
		return;
	buf_printf(b, "<h2 style=\"font-size:15px;margin:16px 0 4px\">%s</h2>\n", title);
	put(b, "<p " ISOLATED "margin:0\">");
	render_lines_put(b, lines, &html_text, LIST_MAX);
	put(b, "</p>\n");
}

static void
html_head(struct buf *b, const struct render_view *v)
{
	buf_printf(b,
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
	    "charset=\"utf-8\"><title>%s</title></head>\n"
	    "<body style=\"margin:0;padding:16px;font:14px/1.5 Arial,Helvetica,sans-serif;"
	    "color:#111827\">\n"
	    "<div style=\"max-width:680px;border-left:6px solid %s;padding:4px 0 4px 16px\">\n"
	    "<p style=\"margin:0;font-weight:bold;color:%s\">%s%s</p>\n"
	    "<p " ISOLATED "margin:4px 0 12px;font-size:18px;font-weight:bold\">",
	    v->severity->word, v->severity->hex, v->severity->hex,
	    v->test.ptr != NULL ? "TEST &middot; " : "", v->severity->word);
	cut_put(b, v->summary, &html_text, BODY_MAX);
	put(b, "</p>\n");
	if (v->test.ptr != NULL) {
		put(b, "<p " ISOLATED "margin:0 0 12px\">");
		cut_put(b, v->test, &html_line, BODY_MAX);
		put(b, "</p>\n");
	}
}

static void
html_footer(struct buf *b, const struct render_view *v, const struct render_input *in)
{
	if (v->url.ptr != NULL) {
		put(b, "<p style=\"margin:16px 0\"><a href=\"");
		cut_put(b, v->url, &html_line, SIZE_MAX);
		put(b, "\">Open details</a></p>\n");
	}
	put(b, "<p style=\"margin:16px 0 0;font-size:12px;color:#6b7280\">Event ");
	cut_put(b, v->event_id, &html_line, FACT_MAX);
	if (!cut_is_blank(in->channel_name)) {
		put(b, "<br>\nSent to the channel <span " ISOLATED "\">");
		cut_put(b, in->channel_name, &html_line, FACT_MAX);
		put(b, "</span>");
	}
	put(b, "</p>\n</div></body></html>\n");
}

static void
html_part(struct buf *b, const struct render_view *v, const struct render_input *in)
{
	size_t i;

	html_head(b, v);
	put(b, "<table role=\"presentation\" style=\"border-collapse:collapse\">\n");
	html_fact(b, "Time", slice_of(v->time));
	if (v->late.ptr != NULL)
		html_fact(b, "Late", v->late);
	for (i = 0; i < v->nfacts; i++)
		html_fact(b, v->facts[i].label, v->facts[i].value);
	put(b, "</table>\n");
	html_paragraph(b, "Root cause", v->cause);
	html_lines(b, "Affected services", &v->services);
	html_lines(b, "Suggested actions", &v->actions);
	html_footer(b, v, in);
}

/* Their encoding ------------------------------------------------------------------------------- */

static bool
is_printable(unsigned char c)
{
	return (c > 0x20 && c < 0x7f && c != '=');
}

static void
put_octet(struct buf *out, unsigned char c, bool literal)
{
	static const char digits[] = "0123456789ABCDEF";
	const char text[3] = {'=', digits[c >> 4], digits[c & 15]};

	if (literal)
		buf_addc(out, (char)c);
	else
		buf_add(out, slice_make(text, sizeof(text)));
}

/* Append ${s}, whose lines end in LF, as quoted-printable, whose end in CR LF. */
static void
put_quoted(struct buf *out, struct slice s)
{
	size_t column = 0, i, n;
	unsigned char c;
	bool last, literal;

	for (i = 0; i < s.len; i++) {
		c = (unsigned char)s.ptr[i];
		if (c == '\n') {
			put(out, "\r\n");
			column = 0;
			continue;
		}
		last = i + 1 == s.len || s.ptr[i + 1] == '\n';
		literal = is_printable(c) || (c == ' ' && !last);
		n = literal ? 1 : 3;
		if (column + n > QP_LINE) {
			put(out, "=\r\n");
			column = 0;
		}
		put_octet(out, c, literal);
		column += n;
	}
}

static enum err
put_part(struct buf *out, const char *type, const struct render_view *v,
    const struct render_input *in,
    void (*make)(struct buf *b, const struct render_view *v, const struct render_input *in))
{
	struct buf part;
	enum err rc;

	buf_init(&part, PART_MAX);
	make(&part, v, in);
	buf_printf(out,
	    "\r\n--" BOUNDARY "%s\r\nContent-Type: %s; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
	    v->thread, type);
	put_quoted(out, buf_slice(&part));
	rc = buf_ok(&part) ? ERR_OK : ERR_NOMEM;
	buf_clear(&part);
	return (rc);
}

/* The header ----------------------------------------------------------------------------------- */

/* Nothing that a header's plain text could mistake: printable ASCII without "=?". */
static bool
is_plain(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e ||
		    slice_starts(slice_skip(s, i), slice_of("=?")))
			return (false);
	}
	return (true);
}

/* Append ${s} as encoded words (RFC 2047 §2), each on a line of its own. */
static void
put_words(struct buf *out, struct slice s)
{
	char text[TEXT_BASE64_LEN(WORD_BYTES) + 1];
	struct slice word;

	while (s.len > 0) {
		word = text_utf8_cut(s, WORD_BYTES);
		text_base64((const uint8_t *)word.ptr, word.len, text);
		buf_printf(out, "=?UTF-8?B?%s?=", text);
		s = slice_skip(s, word.len);
		put(out, s.len > 0 ? "\r\n " : "");
	}
}

/* A name in front of an address (RFC 5322 §3.2.5). */
static void
put_phrase(struct buf *out, struct slice name)
{
	size_t i;

	if (!is_plain(name) || name.len > HEADER_LINE / 2) {
		put_words(out, name);
		return;
	}
	buf_addc(out, '"');
	for (i = 0; i < name.len; i++) {
		if (name.ptr[i] == '"' || name.ptr[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, name.ptr[i]);
	}
	buf_addc(out, '"');
}

/* Are all bytes of ${s} letters, digits or one of ${others}? */
static bool
is_made_of(struct slice s, const char *others)
{
	size_t i;
	char c;

	for (i = 0; i < s.len; i++) {
		c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			(c != '\0' && strchr(others, c) != NULL)))
			return (false);
	}
	return (s.len > 0);
}

/* dot-atom "@" domain: what the contract lets be a recipient. */
static bool
is_address(struct slice s)
{
	struct slice domain = s, local;

	return (slice_split(&domain, '@', &local) && domain.ptr != NULL &&
		is_made_of(local, "!#$%&'*+-/=?^_`{|}~.") && is_made_of(domain, "-.") &&
		s.len <= 254);
}

/* From, of which ${from} is an address, or a name and an address in angle brackets. */
static enum err
put_from(struct buf *out, struct slice from)
{
	struct slice address = from, name = slice_make(NULL, 0);
	struct buf clean;

	if (from.len > 0 && from.ptr[from.len - 1] == '>') {
		from.len--;
		address = from;
		(void)slice_split(&address, '<', &name);
	}
	if (!is_address(address))
		return (ERR_INVALID);
	put(out, "From: ");
	buf_init(&clean, PART_MAX);
	if (cut_put(&clean, name, &plain_line, NAME_MAX) > 0) {
		put_phrase(out, buf_slice(&clean));
		put(out, clean.len > HEADER_LINE / 2 ? "\r\n " : " ");
	}
	out->failed |= !buf_ok(&clean);
	buf_clear(&clean);
	buf_printf(out, "<%.*s>\r\n", (int)address.len, address.ptr);
	return (ERR_OK);
}

static void
put_subject(struct buf *out, const struct render_view *v)
{
	const char *name = "Subject: ";
	struct buf text;

	buf_init(&text, PART_MAX);
	buf_add(&text, v->heading);
	cut_put(&text, v->summary, &plain_line, SUBJECT_MAX);
	put(out, name);
	if (is_plain(buf_slice(&text)) && strlen(name) + text.len <= HEADER_LINE)
		buf_add(out, buf_slice(&text));
	else
		put_words(out, buf_slice(&text));
	put(out, "\r\n");
	out->failed |= !buf_ok(&text);
	buf_clear(&text);
}

/* Date (RFC 5322 §3.3), in UTC. */
static void
put_date(struct buf *out, int64_t ms)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&seconds, &tm);
	buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
	    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* One list for each project (RFC 2919), named by its slug where that can stand in a domain. */
static void
put_list_id(struct buf *out, const struct event_known *e, struct slice domain)
{
	struct slice label = e->project_slug;

	if (!is_made_of(label, "-") || label.len > LABEL_MAX || label.ptr[0] == '-' ||
	    label.ptr[label.len - 1] == '-')
		label = e->project_id;
	buf_printf(out, "List-Id: SigSentry alerts\r\n <%.*s.sigsentry.%.*s>\r\n", (int)label.len,
	    label.ptr, (int)domain.len, domain.ptr);
}

/* What tells a machine which message this is, and that a machine wrote it. */
static void
put_ids(struct buf *out, const struct render_view *v, struct slice domain)
{
	const int n = (int)domain.len;

	buf_printf(out, "Message-ID: <%.*s@%.*s>\r\n", (int)v->delivery_id.len, v->delivery_id.ptr,
	    n, domain.ptr);
	buf_printf(out, "In-Reply-To: <thread.%s@%.*s>\r\n", v->thread, n, domain.ptr);
	buf_printf(out, "References: <thread.%s@%.*s>\r\n", v->thread, n, domain.ptr);
	put(out, "Auto-Submitted: auto-generated\r\n"
		 "Precedence: bulk\r\n"
		 "X-Auto-Response-Suppress: All\r\n");
}

static enum err
put_header(struct buf *out, const struct render_view *v, const struct render_input *in,
    const struct render_mail *mail)
{
	if (!is_address(mail->to) || !is_made_of(mail->domain, "-.") || mail->domain.len > 253 ||
	    !is_made_of(v->delivery_id, "-") || !is_made_of(in->event->known.project_id, "-"))
		return (ERR_INVALID);
	if (put_from(out, mail->from) != ERR_OK)
		return (ERR_INVALID);
	buf_printf(out, "To: %.*s\r\n", (int)mail->to.len, mail->to.ptr);
	put_subject(out, v);
	put_date(out, in->now_ms);
	put_ids(out, v, mail->domain);
	put_list_id(out, &in->event->known, mail->domain);
	if (in->event->severity <= SEVERITY_HIGH)
		put(out, "Importance: high\r\nX-Priority: 1\r\n");
	buf_printf(out,
	    "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n"
	    " boundary=\"" BOUNDARY "%s\"\r\n",
	    v->thread);
	return (ERR_OK);
}

enum err
render_email(const struct render_input *in, const struct render_mail *mail, struct buf *out)
{
	struct render_view v;
	enum err rc;

	if ((rc = render_view_make(in, SERVICES, ACTIONS, &v)) != ERR_OK)
		goto out;
	if ((rc = put_header(out, &v, in, mail)) != ERR_OK)
		goto out;
	if ((rc = put_part(out, "text/plain", &v, in, plain_part)) != ERR_OK)
		goto out;
	if ((rc = put_part(out, "text/html", &v, in, html_part)) != ERR_OK)
		goto out;
	buf_printf(out, "\r\n--" BOUNDARY "%s--\r\n", v.thread);
	rc = buf_ok(out) ? ERR_OK : ERR_NOMEM;
out:
	render_view_clear(&v);
	return (rc);
}
