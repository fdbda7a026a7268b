/* base/url against its contract: which URLs pass, what they come apart into, why others do not. */
#include "base/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define LABEL63 "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwxy"
#define NAME253                             \
	LABEL63 "." LABEL63 "." LABEL63 "." \
		"abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvw"

/* Parse a copy of ${text} that ends where its memory ends; what is borrowed must lie in it. */
static enum err
parse(struct slice text, char **copy, struct url *u, enum url_fault *fault)
{
	*copy = malloc(text.len == 0 ? 1 : text.len);
	assert_non_null(*copy);
	if (text.len > 0)
		memcpy(*copy, text.ptr, text.len);
	*fault = URL__MAX;
	return (url_parse(slice_make(*copy, text.len), u, fault));
}

static const struct {
	const char *text, *host;
	uint16_t port;
	const char *path, *query; /* query NULL: absent */
} fine[] = {
    /* the founding text's own */
    {"https://hooks.slack.com/services/T.../B.../...", "hooks.slack.com", 443,
	"/services/T.../B.../...", NULL},
    {"https://outlook.office.com/webhook/...", "outlook.office.com", 443, "/webhook/...", NULL},
    {"https://discord.com/api/webhooks/...", "discord.com", 443, "/api/webhooks/...", NULL},
    {"https://chat.googleapis.com/v1/spaces/.../messages?key=...", "chat.googleapis.com", 443,
	"/v1/spaces/.../messages", "key=..."},
    {"https://example.com/sigsentry", "example.com", 443, "/sigsentry", NULL},
    /* pieces */
    {"https://host", "host", 443, "/", NULL},
    {"https://host/", "host", 443, "/", NULL},
    {"https://host?", "host", 443, "/", ""},
    {"https://host/?", "host", 443, "/", ""},
    {"https://host?a=b", "host", 443, "/", "a=b"},
    {"https://host/?a=b", "host", 443, "/", "a=b"},
    {"https://host/a?b?c/d", "host", 443, "/a", "b?c/d"},
    {"https://host//a//", "host", 443, "//a//", NULL},
    {"https://host/a/../b/./c", "host", 443, "/a/../b/./c", NULL}, /* as sent */
    {"https://host/%2e%2E/%zz%", "host", 443, "/%2e%2E/%zz%", NULL},
    {"https://host/|^`{}\"<>!$&'()*+,;=~[]", "host", 443, "/|^`{}\"<>!$&'()*+,;=~[]", NULL},
    {"https://host/x:y@z", "host", 443, "/x:y@z", NULL},
    {"https://host/@evil.com", "host", 443, "/@evil.com", NULL},
    {"https://host?@evil.com", "host", 443, "/", "@evil.com"},
    {"https://host?x/y@z:99", "host", 443, "/", "x/y@z:99"},
    {"https://host/https://evil.com:1/", "host", 443, "/https://evil.com:1/", NULL},
    /* scheme and host in any case, path as it is */
    {"HTTPS://HOST", "host", 443, "/", NULL},
    {"hTtPs://Hooks.SLACK.Com/AbC?DeF", "hooks.slack.com", 443, "/AbC", "DeF"},
    /* ports */
    {"https://host:443", "host", 443, "/", NULL},
    {"https://host:1/", "host", 1, "/", NULL},
    {"https://host:8443/x", "host", 8443, "/x", NULL},
    {"https://host:65535?x", "host", 65535, "/", "x"},
    {"https://host:00443/", "host", 443, "/", NULL},
    /* names */
    {"https://a.b-c.d_e.f", "a.b-c.d_e.f", 443, "/", NULL},
    {"https://_x.host", "_x.host", 443, "/", NULL},
    {"https://xn--bcher-kva.example", "xn--bcher-kva.example", 443, "/", NULL},
    {"https://host.", "host", 443, "/", NULL},
    {"https://hooks.slack.com./x", "hooks.slack.com", 443, "/x", NULL},
    {"https://host.:444/x", "host", 444, "/x", NULL},
    {"https://" LABEL63 "/", LABEL63, 443, "/", NULL},
    {"https://" NAME253 "/", NAME253, 443, "/", NULL},
    {"https://" NAME253 "./", NAME253, 443, "/", NULL},
    {"https://1a.2b", "1a.2b", 443, "/", NULL},
    {"https://1.2.3.4a", "1.2.3.4a", 443, "/", NULL},
    {"https://4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa", 443, "/", NULL},
    {"https://0xyz", "0xyz", 443, "/", NULL},
    {"https://1e3", "1e3", 443, "/", NULL},
    /* every spelling of an IPv4 address that a resolver takes */
    {"https://1.2.3.4", "1.2.3.4", 443, "/", NULL},
    {"https://255.255.255.255:99/x", "255.255.255.255", 99, "/x", NULL},
    {"https://127.0.0.1.", "127.0.0.1", 443, "/", NULL},
    {"https://0x7f000001/", "127.0.0.1", 443, "/", NULL},
    {"https://0x7F000001./", "127.0.0.1", 443, "/", NULL},
    {"https://0x0000000000000000007f000001/", "127.0.0.1", 443, "/", NULL},
    {"https://2130706433", "127.0.0.1", 443, "/", NULL},
    {"https://2130706433.:8443/", "127.0.0.1", 8443, "/", NULL},
    {"https://017700000001", "127.0.0.1", 443, "/", NULL},
    {"https://0177.0.0.1", "127.0.0.1", 443, "/", NULL},
    {"https://0177.0.0.1.", "127.0.0.1", 443, "/", NULL},
    {"https://000000000177.0.0.01", "127.0.0.1", 443, "/", NULL},
    {"https://127.1", "127.0.0.1", 443, "/", NULL},
    {"https://127.1.", "127.0.0.1", 443, "/", NULL},
    {"https://127.0.1", "127.0.0.1", 443, "/", NULL},
    {"https://0x7f.1", "127.0.0.1", 443, "/", NULL},
    {"https://0x7f.0.0x0.01", "127.0.0.1", 443, "/", NULL},
    {"https://10.65535", "10.0.255.255", 443, "/", NULL},
    {"https://10.1.65535", "10.1.255.255", 443, "/", NULL},
    {"https://0xa9fea9fe", "169.254.169.254", 443, "/", NULL},
    {"https://0", "0.0.0.0", 443, "/", NULL},
    {"https://4294967295", "255.255.255.255", 443, "/", NULL},
    {"https://037777777777", "255.255.255.255", 443, "/", NULL},
    /* IPv6, in one spelling */
    {"https://[::1]", "::1", 443, "/", NULL},
    {"https://[::1]:8443/x?y", "::1", 8443, "/x", "y"},
    {"https://[::]", "::", 443, "/", NULL},
    {"https://[2606:4700:4700::ABCD]", "2606:4700:4700::abcd", 443, "/", NULL},
    {"https://[0:0:0:0:0:0:0:1]", "::1", 443, "/", NULL},
    {"https://[0000:0000:0000:0000:0000:0000:0000:0001]", "::1", 443, "/", NULL},
    {"https://[::ffff:127.0.0.1]", "::ffff:127.0.0.1", 443, "/", NULL},
    {"https://[::FFFF:7f00:1]", "::ffff:127.0.0.1", 443, "/", NULL},
    {"https://[64:ff9b::10.0.0.1]", "64:ff9b::a00:1", 443, "/", NULL},
};

static void
test_fine(void **state)
{
	enum url_fault fault;
	struct url u;
	char *copy, row[600];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(fine); i++) {
		struct slice text = slice_of(fine[i].text);

		if (parse(text, &copy, &u, &fault) != ERR_OK)
			fail_msg("%s: %s", fine[i].text, url_fault_words[fault]);
		snprintf(row, sizeof(row), "%s: %s %u", fine[i].text, u.host, u.port);
		CHECK(row, fault == URL_FINE);
		CHECK(row, strcmp(u.host, fine[i].host) == 0);
		CHECK(row, u.port == fine[i].port);
		CHECK(row, slice_eq(u.path, slice_of(fine[i].path)));
		CHECK(row, (u.query.ptr == NULL) == (fine[i].query == NULL));
		CHECK(row, slice_eq(u.query, slice_of(fine[i].query)));
		CHECK(
		    row, u.query.ptr == NULL ||
			     (u.query.ptr >= copy && u.query.ptr + u.query.len == copy + text.len));
		free(copy);
	}
}

static const struct {
	struct slice text;
	enum url_fault fault;
} refused[] = {
    {SLICE_LIT(""), URL_LENGTH},
    {{NULL, 0}, URL_LENGTH},
    /* bytes */
    {SLICE_LIT(" https://host"), URL_BYTES},
    {SLICE_LIT("https://host "), URL_BYTES},
    {SLICE_LIT("https://ho st/"), URL_BYTES},
    {SLICE_LIT("https://host: 443"), URL_BYTES},
    {SLICE_LIT("https://host/a b"), URL_BYTES},
    {SLICE_LIT("https://host/\tx"), URL_BYTES},
    {SLICE_LIT("https://host/x\n"), URL_BYTES},
    {SLICE_LIT("https://host/\r\nHost: evil"), URL_BYTES},
    {SLICE_LIT("https://host/x\0y"), URL_BYTES},
    {SLICE_LIT("https://host\0.evil.com/"), URL_BYTES},
    {SLICE_LIT("https://host/\x7f"), URL_BYTES},
    {SLICE_LIT("https://h\xc3\xb6st/"), URL_BYTES},
    {SLICE_LIT("https://host/\xff"), URL_BYTES},
    {SLICE_LIT("https://\xef\xbc\x91\x32\x37.0.0.1/"), URL_BYTES}, /* a full-width 1 */
    {SLICE_LIT("https://127\xe3\x80\x82\x30.0.1/"), URL_BYTES},    /* U+3002, a full stop */
    {SLICE_LIT("https://host\\@evil"), URL_BYTES},
    {SLICE_LIT("https:\\\\host"), URL_BYTES},
    {SLICE_LIT("https://host/a\\b"), URL_BYTES},
    /* scheme */
    {SLICE_LIT("http://host"), URL_SCHEME},
    {SLICE_LIT("HTTP://host"), URL_SCHEME},
    {SLICE_LIT("httpss://host"), URL_SCHEME},
    {SLICE_LIT("ftp://host"), URL_SCHEME},
    {SLICE_LIT("file:///etc/passwd"), URL_SCHEME},
    {SLICE_LIT("gopher://host"), URL_SCHEME},
    {SLICE_LIT("javascript:alert(1)"), URL_SCHEME},
    {SLICE_LIT("host"), URL_SCHEME},
    {SLICE_LIT("host:443"), URL_SCHEME},
    {SLICE_LIT("hooks.slack.com/services/x"), URL_SCHEME},
    {SLICE_LIT("//host"), URL_SCHEME},
    {SLICE_LIT("/path"), URL_SCHEME},
    {SLICE_LIT("://host"), URL_SCHEME},
    {SLICE_LIT("https"), URL_SCHEME},
    {SLICE_LIT("https:"), URL_SCHEME},
    {SLICE_LIT("https:/"), URL_SCHEME},
    {SLICE_LIT("https:host"), URL_SCHEME},
    {SLICE_LIT("https:/host"), URL_SCHEME},
    {SLICE_LIT("https//host"), URL_SCHEME},
    {SLICE_LIT("xhttps://host"), URL_SCHEME},
    {SLICE_LIT("url=https://host"), URL_SCHEME},
    /* userinfo */
    {SLICE_LIT("https://hooks.slack.com@evil.com/"), URL_USERINFO},
    {SLICE_LIT("https://user:pw@host/"), URL_USERINFO},
    {SLICE_LIT("https://user@host/"), URL_USERINFO},
    {SLICE_LIT("https://@host/"), URL_USERINFO},
    {SLICE_LIT("https://:@host/"), URL_USERINFO},
    {SLICE_LIT("https://a@b@c/"), URL_USERINFO},
    {SLICE_LIT("https://hooks.slack.com:443@evil.com/"), URL_USERINFO},
    {SLICE_LIT("https://host@"), URL_USERINFO},
    {SLICE_LIT("https://@"), URL_USERINFO},
    {SLICE_LIT("https://[::1]@host"), URL_USERINFO},
    {SLICE_LIT("https://host:80@evil?x"), URL_USERINFO},
    /* fragment */
    {SLICE_LIT("https://host#f"), URL_FRAGMENT},
    {SLICE_LIT("https://host/#"), URL_FRAGMENT},
    {SLICE_LIT("https://host/a?b#c"), URL_FRAGMENT},
    {SLICE_LIT("https://host#@evil.com/"), URL_FRAGMENT},
    {SLICE_LIT("https://#"), URL_FRAGMENT},
    /* host */
    {SLICE_LIT("https://"), URL_HOST},
    {SLICE_LIT("https:///"), URL_HOST},
    {SLICE_LIT("https:///path"), URL_HOST},
    {SLICE_LIT("https:////path"), URL_HOST},
    {SLICE_LIT("https://?x"), URL_HOST},
    {SLICE_LIT("https://:443"), URL_HOST},
    {SLICE_LIT("https://:443/x"), URL_HOST},
    {SLICE_LIT("https://."), URL_HOST},
    {SLICE_LIT("https://.."), URL_HOST},
    {SLICE_LIT("https://.a"), URL_HOST},
    {SLICE_LIT("https://a.."), URL_HOST},
    {SLICE_LIT("https://a..b"), URL_HOST},
    {SLICE_LIT("https://127.0.0.1.."), URL_HOST},
    {SLICE_LIT("https://host%2eexample.com"), URL_HOST},
    {SLICE_LIT("https://%31%32%37.0.0.1"), URL_HOST},
    {SLICE_LIT("https://host%00.evil.com"), URL_HOST},
    {SLICE_LIT("https://host%2f@x"), URL_USERINFO},
    {SLICE_LIT("https://host%2f"), URL_HOST},
    {SLICE_LIT("https://ho~st"), URL_HOST},
    {SLICE_LIT("https://ho!st"), URL_HOST},
    {SLICE_LIT("https://ho$st"), URL_HOST},
    {SLICE_LIT("https://ho,st"), URL_HOST},
    {SLICE_LIT("https://host;x"), URL_HOST},
    {SLICE_LIT("https://host&x"), URL_HOST},
    {SLICE_LIT("https://*.example.com"), URL_HOST},
    {SLICE_LIT("https://(host)"), URL_HOST},
    {SLICE_LIT("https://+1"), URL_HOST},
    {SLICE_LIT("https://{host}"), URL_HOST},
    {SLICE_LIT("https://x" LABEL63 "/"), URL_HOST},
    {SLICE_LIT("https://x.x" LABEL63 ".x/"), URL_HOST},
    {SLICE_LIT("https://" NAME253 "x/"), URL_HOST},
    {SLICE_LIT("https://" LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 "/"), URL_HOST},
    /* numbers that are no IPv4 address, but that some resolver may take for one */
    {SLICE_LIT("https://1.2.3.4.5"), URL_HOST},
    {SLICE_LIT("https://256.1.1.1"), URL_HOST},
    {SLICE_LIT("https://1.2.3.256"), URL_HOST},
    {SLICE_LIT("https://127.0.0.257."), URL_HOST},
    {SLICE_LIT("https://1.2.65536"), URL_HOST},
    {SLICE_LIT("https://1.16777216"), URL_HOST},
    {SLICE_LIT("https://4294967296"), URL_HOST},
    {SLICE_LIT("https://0x100000000"), URL_HOST},
    {SLICE_LIT("https://040000000000"), URL_HOST},
    {SLICE_LIT("https://6425673729"), URL_HOST}, /* 127.0.0.1 and 2^32 */
    {SLICE_LIT("https://99999999999999999999"), URL_HOST},
    {SLICE_LIT("https://18446744073709551617"), URL_HOST},
    {SLICE_LIT("https://0x"), URL_HOST},
    {SLICE_LIT("https://0X."), URL_HOST},
    {SLICE_LIT("https://1.0x"), URL_HOST},
    {SLICE_LIT("https://0x.1"), URL_HOST},
    {SLICE_LIT("https://0x7f.0x"), URL_HOST},
    {SLICE_LIT("https://08.0.0.1"), URL_HOST},
    {SLICE_LIT("https://127.0.0.09"), URL_HOST},
    {SLICE_LIT("https://1..2"), URL_HOST},
    {SLICE_LIT("https://host.1"), URL_HOST},
    {SLICE_LIT("https://host.0x1f"), URL_HOST},
    {SLICE_LIT("https://-1.2"), URL_HOST},
    /* IPv6 */
    {SLICE_LIT("https://[]"), URL_HOST},
    {SLICE_LIT("https://["), URL_HOST},
    {SLICE_LIT("https://[::1"), URL_HOST},
    {SLICE_LIT("https://[::1/]"), URL_HOST},
    {SLICE_LIT("https://::1"), URL_HOST},
    {SLICE_LIT("https://::1]"), URL_HOST},
    {SLICE_LIT("https://[::1]x"), URL_HOST},
    {SLICE_LIT("https://[::1]."), URL_HOST},
    {SLICE_LIT("https://[::1]443"), URL_HOST},
    {SLICE_LIT("https://x[::1]"), URL_HOST},
    {SLICE_LIT("https://[[::1]]"), URL_HOST},
    {SLICE_LIT("https://[:1]"), URL_HOST},
    {SLICE_LIT("https://[1:2:3:4:5:6:7:8:9]"), URL_HOST},
    {SLICE_LIT("https://[::12345]"), URL_HOST},
    {SLICE_LIT("https://[::g]"), URL_HOST},
    {SLICE_LIT("https://[1.2.3.4]"), URL_HOST},
    {SLICE_LIT("https://[::ffff:0x7f.1]"), URL_HOST},
    {SLICE_LIT("https://[::ffff:127.1]"), URL_HOST},
    {SLICE_LIT("https://[v1.fe80]"), URL_HOST},
    {SLICE_LIT("https://[host]"), URL_HOST},
    {SLICE_LIT("https://[fe80::1%25eth0]"), URL_HOST},
    {SLICE_LIT("https://[fe80::1%eth0]"), URL_HOST},
    {SLICE_LIT("https://[::1%]"), URL_HOST},
    {SLICE_LIT("https://[00000000000000000000000000000000000000000000000000000000000::1]"),
	URL_HOST},
    /* port */
    {SLICE_LIT("https://host:"), URL_PORT},
    {SLICE_LIT("https://host:/x"), URL_PORT},
    {SLICE_LIT("https://[::1]:"), URL_PORT},
    {SLICE_LIT("https://host:0"), URL_PORT},
    {SLICE_LIT("https://host:00000/"), URL_PORT},
    {SLICE_LIT("https://host:65536"), URL_PORT},
    {SLICE_LIT("https://host:99999"), URL_PORT},
    {SLICE_LIT("https://host:4294967739"), URL_PORT}, /* 443 and 2^32 */
    {SLICE_LIT("https://host:18446744073709552059"), URL_PORT},
    {SLICE_LIT("https://host:443:80"), URL_PORT},
    {SLICE_LIT("https://host::443"), URL_PORT},
    {SLICE_LIT("https://ho:st:443"), URL_PORT},
    {SLICE_LIT("https://host:https"), URL_PORT},
    {SLICE_LIT("https://host:443a/"), URL_PORT},
    {SLICE_LIT("https://host:+443/"), URL_PORT},
    {SLICE_LIT("https://host:-1/"), URL_PORT},
    {SLICE_LIT("https://host:0x1bb/"), URL_PORT},
    {SLICE_LIT("https://host:4%343/"), URL_PORT},
    /* of several faults the first in order */
    {SLICE_LIT("http://user@/#\\"), URL_BYTES},
    {SLICE_LIT("http://user@..:0/#"), URL_SCHEME},
    {SLICE_LIT("https://user@..:0/#"), URL_USERINFO},
    {SLICE_LIT("https://..:0/#"), URL_FRAGMENT},
    {SLICE_LIT("https://..:0/"), URL_HOST},
};

/* libcurl reads a capital X up to 8.6 and not after it: an address or nothing, but no name that a
 * resolver is asked for. */
static void
test_capital_x(void **state)
{
	enum url_fault fault;
	struct url u;
	char *copy;

	(void)state;
	if (parse(slice_of("https://0X7F000001./"), &copy, &u, &fault) == ERR_OK)
		assert_string_equal(u.host, "127.0.0.1");
	else
		assert_int_equal(fault, URL_HOST);
	free(copy);
}

static void
test_refused(void **state)
{
	enum url_fault fault;
	struct url u, before;
	char *copy, row[600];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(refused); i++) {
		memset(&u, 0x5a, sizeof(u));
		memcpy(&before, &u, sizeof(u));
		snprintf(row, sizeof(row), "row %zu, %s", i, refused[i].text.ptr);
		CHECK(row, parse(refused[i].text, &copy, &u, &fault) == ERR_INVALID);
		snprintf(row, sizeof(row), "row %zu, %s: fault %d", i, refused[i].text.ptr, fault);
		CHECK(row, fault == refused[i].fault);
		CHECK(row, memcmp(&u, &before, sizeof(u)) == 0);
		free(copy);
	}
}

/* 2,048 bytes pass, in the path and in the query; one more does not, whatever else is wrong. */
static void
test_length(void **state)
{
	static const char *const starts[] = {"https://host/", "https://host?", "https://[::1]:1/"};
	char text[URL_MAX + 1];
	enum url_fault fault;
	struct url u;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(starts); i++) {
		memset(text, 'x', sizeof(text));
		memcpy(text, starts[i], strlen(starts[i]));
		CHECK(starts[i], url_parse(slice_make(text, URL_MAX), &u, &fault) == ERR_OK);
		CHECK(
		    starts[i], url_parse(slice_make(text, URL_MAX + 1), &u, &fault) == ERR_INVALID);
		CHECK(starts[i], fault == URL_LENGTH);
	}
	text[0] = '\\';
	assert_int_equal(url_parse(slice_make(text, URL_MAX + 1), &u, &fault), ERR_INVALID);
	assert_int_equal(fault, URL_LENGTH);
}

/* Any byte in any place of a host: refused, or still one host of allowed characters. */
static void
test_any_byte(void **state)
{
	static const char text[] = "https://ab.cd:44/";
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	char copy[sizeof(text)];
	enum url_fault fault;
	struct url u;
	size_t at;
	int byte;

	(void)state;
	for (at = 8; at < sizeof(text) - 1; at++) {
		for (byte = 0; byte < 256; byte++) {
			memcpy(copy, text, sizeof(text));
			copy[at] = (char)byte;
			if (url_parse(slice_make(copy, sizeof(text) - 1), &u, &fault) != ERR_OK)
				continue;
			CHECK(copy, byte > 0x20 && byte < 0x7f && byte != '\\' && byte != '#');
			CHECK(copy, at > 12 || byte != '@');
			CHECK(copy, u.host[0] != '\0');
			CHECK(copy, u.host[strspn(u.host, allowed)] == '\0');
		}
	}
}

/* Each fault has words that go behind a field's name. */
static void
test_words(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < URL__MAX; i++) {
		assert_non_null(url_fault_words[i]);
		if (i != URL_FINE && strncmp(url_fault_words[i], "m", 1) != 0)
			fail_msg("fault %d: %s", i, url_fault_words[i]);
	}
	assert_string_equal(url_fault_words[URL_SCHEME], "must begin with https://");
	assert_non_null(strstr(url_fault_words[URL_LENGTH], "2048"));
}

static void
test_unescape(void **state)
{
	static const struct {
		const char *text, *decoded;
		size_t len;
	} rows[] = {
	    {"", "", 0},
	    {"plain", "plain", 5},
	    {"%31%30", "10", 2},
	    {"a%20b+c", "a b+c", 5},
	    {"%", "%", 1},
	    {"%4", "%4", 2},
	    {"%zz", "%zz", 3},
	    {"a%00b", "a\0b", 3},
	    {"%c3%A9", "\xc3\xa9", 2},
	};
	struct arena *a = arena_new();
	struct slice s;
	size_t i;

	(void)state;
	assert_non_null(a);
	for (i = 0; i < NELEMS(rows); i++) {
		s = url_unescape(a, slice_of(rows[i].text));
		CHECK(rows[i].text, s.ptr != NULL && s.len == rows[i].len);
		CHECK(rows[i].text, memcmp(s.ptr, rows[i].decoded, s.len) == 0);
	}
	/* no byte behind the slice is read */
	s = url_unescape(a, slice_make("%3", 2));
	assert_true(slice_eq(s, slice_of("%3")));
	s = url_unescape(a, slice_make("%31", 2));
	assert_true(slice_eq(s, slice_of("%3")));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unescape),
	    cmocka_unit_test(test_fine),
	    cmocka_unit_test(test_capital_x),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_any_byte),
	    cmocka_unit_test(test_words),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
