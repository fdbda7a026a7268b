/* HTTPS: a request as it was checked, and what of the answer is kept. */
#include <stdio.h>
#include <string.h>

#include "adapters/post_part.h"

#define HEADER_MAX (64 * 1024) /* bytes of a header, ours or an answer's; more is hostile */

static const char *const kept_names[POST_KEPT__MAX] = {
    [POST_KEPT_RETRY_AFTER] = "Retry-After",
    [POST_KEPT_RATE_REMAINING] = "X-RateLimit-Remaining",
    [POST_KEPT_RATE_RESET_AFTER] = "X-RateLimit-Reset-After",
};

/* What comes back -------------------------------------------------------------------------- */

/* Keep the body up to its limit; then tell libcurl to stop. */
static size_t
on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct post_flight *f = ctx;
	size_t len = size * n, room = POST_BODY_MAX - f->body.len;

	buf_add(&f->body, slice_make(data, len < room ? len : room));
	if (!buf_ok(&f->body))
		return (0);
	if (len <= room)
		return (len);
	f->body_is_full = true;
	return (0);
}

/* Keep the value of a field that is wanted; the first one counts. */
static void
keep_field(struct post_flight *f, struct slice line)
{
	struct slice name, value = line;
	size_t i;

	if (!slice_split(&value, ':', &name) || value.ptr == NULL)
		return;
	value = slice_trim(value);
	for (i = 0; i < POST_KEPT__MAX; i++) {
		if (slice_eq_nocase(name, slice_of(kept_names[i])) && f->kept[i][0] == '\0' &&
		    value.len < POST_FIELD_MAX && memchr(value.ptr, '\0', value.len) == NULL)
			memcpy(f->kept[i], value.ptr, value.len);
	}
}

static struct slice
chomp(struct slice line)
{
	while (line.len > 0 && strchr("\r\n", line.ptr[line.len - 1]) != NULL)
		line.len--;
	return (line);
}

static size_t
on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct post_flight *f = ctx;
	struct slice line = slice_make(data, size * n);

	if (line.len > HEADER_MAX - f->trace.header_bytes) {
		f->trace.header_is_large = true;
		return (0);
	}
	f->trace.header_bytes += line.len;
	if (slice_starts(line, slice_of("HTTP/"))) /* behind a 1xx answer comes another header */
		memset(f->kept, 0, sizeof(f->kept));
	keep_field(f, chomp(line));
	return (size * n);
}

/* The request ------------------------------------------------------------------------------ */

/* Would ${s} end a field early? */
static bool
has_break(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
			return (true);
	}
	return (false);
}

/* Set the URL as it was checked: written anew from the parts. */
static CURLcode
set_url(struct post_flight *f, const struct url *url)
{
	char name[URL_HOST_MAX + 2];
	CURLcode code = CURLE_OUT_OF_MEMORY;
	struct buf text;

	buf_init(&text, URL_MAX * 2);
	buf_printf(&text, "https://%s:%u", post_bracketed(url->host, name), url->port);
	buf_add(&text, url->path);
	if (url->query.ptr != NULL) {
		buf_addc(&text, '?');
		buf_add(&text, url->query);
	}
	if (buf_ok(&text))
		code = curl_easy_setopt(f->easy, CURLOPT_URL, buf_str(&text));
	buf_clear(&text);
	return (code);
}

/* Append a line to ${list}; false: no memory. */
static bool
list_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *grown = curl_slist_append(*list, line);

	if (grown != NULL)
		*list = grown;
	return (grown != NULL);
}

static CURLcode
set_fields(struct post_flight *f, const struct post_http *m)
{
	CURLcode code = CURLE_OK;
	struct buf line;
	size_t i;
	bool ok = list_add(&f->fields, "Expect:");

	buf_init(&line, HEADER_MAX);
	for (i = 0; i < m->nfields && ok; i++) {
		buf_reset(&line);
		buf_printf(&line, "%s: ", m->fields[i].name);
		buf_add(&line, m->fields[i].value);
		ok = buf_ok(&line) && list_add(&f->fields, buf_str(&line));
	}
	buf_clear(&line);
	if (!ok)
		return (CURLE_OUT_OF_MEMORY);
	POST_SET(f, code, CURLOPT_HTTPHEADER, f->fields);
	return (code);
}

bool
post_http_is_sound(const struct post_http *m)
{
	size_t i;

	for (i = 0; i < m->nfields; i++) {
		if (m->fields[i].value.len == 0 || has_break(m->fields[i].value))
			return (false);
	}
	return (true);
}

CURLcode
post_http_set(struct post_flight *f, const struct post_http *m, const struct url *url)
{
	CURLcode code = post_set_common(f);

	POST_SET(f, code, CURLOPT_PROTOCOLS_STR, "https");
	if (code == CURLE_OK)
		code = set_url(f, url);
	if (code == CURLE_OK)
		code = post_set_target(f, url->host, url->port);
	if (code == CURLE_OK)
		code = post_set_proxy(f);
	if (code == CURLE_OK)
		code = set_fields(f, m);
	POST_SET(f, code, CURLOPT_POST, 1L);
	POST_SET(f, code, CURLOPT_POSTFIELDS, m->body.len == 0 ? "" : m->body.ptr);
	POST_SET(f, code, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->body.len);
	POST_SET(f, code, CURLOPT_WRITEFUNCTION, on_body);
	POST_SET(f, code, CURLOPT_WRITEDATA, f);
	POST_SET(f, code, CURLOPT_HEADERFUNCTION, on_header);
	POST_SET(f, code, CURLOPT_HEADERDATA, f);
	return (code);
}

bool
post_http_is_whole(const struct post_flight *f, CURLcode code)
{
	const bool may_be = code == CURLE_SEND_ERROR || code == CURLE_HTTP2_STREAM ||
			    code == CURLE_OPERATION_TIMEDOUT;
	curl_off_t told = -1, got = 0;

	return (may_be && f->trace.code >= 200 &&
		curl_easy_getinfo(f->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told) == CURLE_OK &&
		curl_easy_getinfo(f->easy, CURLINFO_SIZE_DOWNLOAD_T, &got) == CURLE_OK &&
		told >= 0 && got == told);
}
