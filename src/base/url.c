/*
 * Destination URLs, taken apart by our own byte rules and then by libcurl's parser: what the two
 * read differently is refused, so that nobody can show one host to the checks and another to the
 * sender.  libcurl also turns every numeric spelling of an IPv4 address into a dotted quad.
 */
#include "base/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <limits.h>
#include <string.h>

#define STRINGIFY(x) #x
#define STRING(x)    STRINGIFY(x)
#define LABEL_MAX    63  /* bytes of one label (RFC 1035, section 2.3.4) */
#define NAME_MAX_LEN 253 /* bytes of a name without its last dot */
#define PORT_HTTPS   443

/* Each stands behind a field's name: "credentials.url must begin with https://". */
const char *const url_fault_words[URL__MAX] = {
    [URL_FINE] = "is a good URL",
    [URL_LENGTH] = "must not be empty and may be at most " STRING(URL_MAX) " bytes long",
    [URL_BYTES] = "may hold only visible ASCII characters and no backslash (write a host as xn--…, "
		  "other characters as %XX)",
    [URL_SYNTAX] = "must be a URL such as https://example.com/path",
    [URL_SCHEME] = "must begin with https://",
    [URL_USERINFO] = "must not contain a user name or password (the part before @)",
    [URL_FRAGMENT] = "must not contain a fragment (#…)",
    [URL_HOST] =
	"must name a valid host: letters, digits, dots and hyphens, or an IP address (IPv6 "
	"in brackets, without a zone)",
    [URL_PORT] = "must have a port from 1 to 65535 behind the colon, or no colon",
};

/** The pieces of a URL's text. */
struct pieces {
	struct slice authority;
	struct slice host; /* with brackets, without a last dot */
	struct slice port; /* digits; absent where there is no colon */
	struct slice tail; /* from the first '/' or '?' on; may be empty */
};

static const struct slice scheme = SLICE_LIT("https://");

/* Is each byte one that a URL may hold? */
static bool
bytes_ok(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e || s.ptr[i] == '\\')
			return (false);
	}
	return (true);
}

static bool
has(struct slice s, char c)
{
	return (s.len > 0 && memchr(s.ptr, c, s.len) != NULL);
}

/* Cut ${text}, which begins with the scheme, at the delimiters of RFC 3986, section 3. */
static void
cut(struct slice text, struct pieces *p)
{
	struct slice s = slice_skip(text, scheme.len);
	size_t n = 0;

	while (n < s.len && strchr("/?#", s.ptr[n]) == NULL)
		n++;
	p->authority = slice_make(s.ptr, n);
	p->tail = slice_skip(s, n);
	n = 0;
	if (p->authority.len > 0 && s.ptr[0] == '[') {
		while (n < p->authority.len && s.ptr[n] != ']')
			n++;
	}
	while (n < p->authority.len && s.ptr[n] != ':')
		n++;
	p->host = slice_make(s.ptr, n);
	p->port = n < p->authority.len ? slice_skip(p->authority, n + 1) : slice_make(NULL, 0);
	if (p->host.len > 0 && s.ptr[0] != '[' && s.ptr[n - 1] == '.')
		p->host.len--;
}

/* Is ${host} a name of labels that a resolver may be asked for, or a numeric IPv4 address? */
static bool
name_ok(struct slice host)
{
	struct slice label;
	size_t i;

	if (host.len == 0 || host.len > NAME_MAX_LEN)
		return (false);
	while (slice_split(&host, '.', &label)) {
		if (label.len == 0 || label.len > LABEL_MAX)
			return (false);
		for (i = 0; i < label.len; i++) {
			if (!isalnum((unsigned char)label.ptr[i]) && label.ptr[i] != '-' &&
			    label.ptr[i] != '_')
				return (false);
		}
	}
	return (true);
}

/*
 * Does ${host}, in lower case, end in a number, as the URL standard of the WHATWG has it: a last
 * label of digits, or of hex digits behind "0x"?  Such a one is an IPv4 address or nothing:
 * 256.1.1.1, 1.2.3.4.5 and 0x100000000 are names to libcurl, and to some resolvers addresses.
 */
static bool
ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.'), *last = dot == NULL ? host : dot + 1;

	if (last[0] == '0' && last[1] == 'x')
		return (last[2 + strspn(last + 2, "0123456789abcdef")] == '\0');
	return (last[strspn(last, "0123456789")] == '\0');
}

/* Put the IPv6 literal ${host}, in brackets, into ${out} in the one spelling of RFC 5952. */
static bool
ipv6_ok(struct slice host, char out[static URL_HOST_MAX])
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (host.len < 2 || host.len - 2 >= sizeof(text) || host.ptr[host.len - 1] != ']')
		return (false);
	memcpy(text, host.ptr + 1, host.len - 2);
	text[host.len - 2] = '\0';
	return (inet_pton(AF_INET6, text, &addr) == 1 &&
		inet_ntop(AF_INET6, &addr, out, URL_HOST_MAX) != NULL);
}

/* Check and put down the host, but for numeric IPv4, which only libcurl makes out. */
static bool
host_ok(struct slice host, char out[static URL_HOST_MAX])
{
	size_t i;

	if (host.len > 0 && host.ptr[0] == '[')
		return (ipv6_ok(host, out));
	if (!name_ok(host))
		return (false);
	for (i = 0; i < host.len; i++)
		out[i] = (char)tolower((unsigned char)host.ptr[i]);
	out[host.len] = '\0';
	return (true);
}

/* Check and put down the port. */
static bool
port_ok(struct slice digits, uint16_t *out)
{
	uint64_t n = PORT_HTTPS;

	if (digits.ptr != NULL && (text_u64(digits, UINT16_MAX, &n) != ERR_OK || n == 0))
		return (false);
	*out = (uint16_t)n;
	return (true);
}

/*
 * Write the URL for libcurl to ${out}: without the host's last dot, behind which it knows no
 * numeric address, and with every letter and digit of the tail as 'x', so that its heap, which
 * nobody wipes, gets the shape of the path and not the secret in it.
 */
static void
mask(const struct pieces *p, char out[static URL_MAX + 1])
{
	const struct slice parts[] = {scheme, p->host, SLICE_LIT(":"), p->port, p->tail};
	size_t i, n = 0, tail;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (p->port.ptr == NULL && (i == 2 || i == 3))
			continue;
		if (parts[i].len > 0)
			memcpy(out + n, parts[i].ptr, parts[i].len);
		n += parts[i].len;
	}
	out[n] = '\0';
	for (tail = n - p->tail.len; tail < n; tail++) {
		if (isalnum((unsigned char)out[tail]))
			out[tail] = 'x';
	}
}

/* Compare the host that libcurl found with ours; ours, where numeric IPv4, becomes a dotted quad.
 */
static enum url_fault
agree(const char *theirs, char ours[static URL_HOST_MAX])
{
	struct in_addr v4;
	char v6[URL_HOST_MAX];
	struct slice s = slice_of(theirs);

	if (strchr(ours, ':') != NULL)
		return (ipv6_ok(s, v6) && strcmp(v6, ours) == 0 ? URL_FINE : URL_SYNTAX);
	if (ends_in_number(ours)) {
		if (inet_pton(AF_INET, theirs, &v4) != 1)
			return (URL_HOST);
		memcpy(ours, s.ptr, s.len + 1);
		return (URL_FINE);
	}
	return (slice_eq_nocase(s, slice_of(ours)) ? URL_FINE : URL_SYNTAX);
}

/* Have libcurl read the URL too, and see whether it finds the same host and port. */
static enum err
ask_curl(const struct pieces *p, struct url *u, enum url_fault *fault)
{
	char text[URL_MAX + 1], *host = NULL, *port = NULL;
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	enum err rc = ERR_NOMEM;
	uint64_t n = 0;
	CURLU *c;

	mask(p, text);
	if ((c = curl_url()) == NULL)
		goto out;
	if ((code = curl_url_set(c, CURLUPART_URL, text, 0)) != CURLUE_OK ||
	    (code = curl_url_get(c, CURLUPART_HOST, &host, 0)) != CURLUE_OK ||
	    (code = curl_url_get(c, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) != CURLUE_OK)
		goto out;
	rc = ERR_INVALID;
	if (text_u64(slice_of(port), UINT16_MAX, &n) != ERR_OK || n != u->port)
		*fault = URL_SYNTAX;
	else if ((*fault = agree(host, u->host)) == URL_FINE)
		rc = ERR_OK;
out:
	if (code != CURLUE_OK && code != CURLUE_OUT_OF_MEMORY) {
		*fault = URL_SYNTAX;
		rc = ERR_INVALID;
	}
	curl_free(port);
	curl_free(host);
	curl_url_cleanup(c);
	return (rc);
}

/* The first of our own rules that ${text} breaks; cuts it into ${p} and puts host and port into
 * ${u}. */
static enum url_fault
check(struct slice text, struct pieces *p, struct url *u)
{
	if (text.len == 0 || text.len > URL_MAX)
		return (URL_LENGTH);
	if (!bytes_ok(text))
		return (URL_BYTES);
	if (!slice_eq_nocase(
		slice_make(text.ptr, text.len < scheme.len ? text.len : scheme.len), scheme))
		return (URL_SCHEME);
	cut(text, p);
	if (has(p->authority, '@'))
		return (URL_USERINFO);
	if (has(text, '#'))
		return (URL_FRAGMENT);
	if (!host_ok(p->host, u->host))
		return (URL_HOST);
	if (!port_ok(p->port, &u->port))
		return (URL_PORT);
	return (URL_FINE);
}

enum err
url_parse(struct slice text, struct url *out, enum url_fault *fault)
{
	struct pieces p;
	struct url u;
	enum err e;

	if ((*fault = check(text, &p, &u)) != URL_FINE)
		return (ERR_INVALID);
	if ((e = ask_curl(&p, &u, fault)) != ERR_OK)
		return (e);
	u.query = p.tail;
	(void)slice_split(&u.query, '?', &u.path);
	if (u.path.len == 0)
		u.path = slice_of("/");
	*out = u;
	return (ERR_OK);
}

struct slice
url_unescape(struct arena *a, struct slice s)
{
	struct slice out = {NULL, 0};
	int len = 0;
	char *raw;

	if (s.len > INT_MAX ||
	    (raw = curl_easy_unescape(NULL, s.len == 0 ? "" : s.ptr, (int)s.len, &len)) == NULL)
		return (out);
	/* of length 0 libcurl would measure the text itself */
	out.len = s.len == 0 ? 0 : (size_t)len;
	out.ptr = arena_dup(a, slice_make(raw, out.len));
	curl_free(raw);
	return (out);
}
