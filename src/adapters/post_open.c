/*
 * The way out: what all transfers have in common, and where each may connect.  That is settled in
 * one place, on_open(), on the address that is about to be connected to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/post_part.h"

#define RESOLVER_FDS 4 /* to wake us, and to ask a file or a name server */

#define LIFETIME_S 600L /* of a connection: what a name means, and the policy, may change */

/* Connections ------------------------------------------------------------------------------ */

/* The address and port in ${sa}; false where it is neither IPv4 nor IPv6. */
static bool
read_sockaddr(const struct sockaddr *sa, struct address *a, uint16_t *port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		a->family = 4;
		memcpy(a->bytes, &v4.sin_addr, 4);
		*port = ntohs(v4.sin_port);
		return (true);
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		a->family = 6;
		memcpy(a->bytes, &v6.sin6_addr, 16);
		*port = ntohs(v6.sin6_port);
		return (true);
	}
	return (false);
}

/* A pinned name is reached without the proxy: its address is settled. */
bool
post_is_proxied(const struct post_flight *f)
{
	return (!f->is_mail && f->pin == NULL && f->post->settings->proxy.port != 0);
}

/* May ${f} connect to ${sa}?  Servers that the operator has named may be anywhere. */
static bool
may_connect(const struct post_flight *f, const struct sockaddr *sa)
{
	const struct settings *s = f->post->settings;
	struct address a;
	uint16_t port;

	if (!read_sockaddr(sa, &a, &port))
		return (false);
	if (post_is_proxied(f) || (f->is_mail && f->pin == NULL))
		return (true);
	return (egress_address_is_allowed(&s->egress, f->pin, &a, port));
}

/* Note a socket to the relay, and whose it is.  False: no memory. */
static bool
note_socket(struct post *p, int fd, struct post_flight *owner)
{
	struct post_socket *grown;
	size_t cap = p->sockets_cap * 2 + 16;

	if (p->nsockets == p->sockets_cap) {
		if ((grown = realloc(p->sockets, cap * sizeof(*grown))) == NULL)
			return (false);
		p->sockets = grown;
		p->sockets_cap = cap;
	}
	p->sockets[p->nsockets++] = (struct post_socket){fd, owner};
	return (true);
}

/* The one door to the network.  libcurl goes on to the name's next address where it stays shut. */
static curl_socket_t
on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct post_flight *f = ctx;
	int fd;

	if (purpose != CURLSOCKTYPE_IPCXN || !may_connect(f, &to->addr)) {
		f->trace.nrefused++;
		return (CURL_SOCKET_BAD);
	}
	f->trace.nopened++;
	if ((fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol)) < 0) {
		/* no descriptors, no memory: not the destination's doing */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			f->trace.verdict = OUTCOME_WAY_SELF;
		return (CURL_SOCKET_BAD);
	}
	if (f->is_mail && !note_socket(f->post, fd, f)) {
		close(fd);
		return (CURL_SOCKET_BAD);
	}
	return (fd);
}

static int
on_close(void *ctx, curl_socket_t fd)
{
	struct post *p = ctx;
	size_t i;

	for (i = 0; i < p->nsockets; i++) {
		if (p->sockets[i].fd == fd) {
			p->sockets[i] = p->sockets[--p->nsockets];
			break;
		}
	}
	return (close(fd));
}

/* Could a resolver open what it needs?  It says of a missing descriptor that there is no such host.
 */
static bool
may_resolve(void)
{
	int fds[RESOLVER_FDS], n = 0;
	bool may = true;

	while (may && n < RESOLVER_FDS) {
		if ((fds[n] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
			n++;
		else
			may = false;
	}
	while (n > 0)
		close(fds[--n]);
	return (may);
}

static int
on_resolve(void *resolver, void *reserved, void *ctx)
{
	struct post_flight *f = ctx;

	(void)resolver;
	(void)reserved;
	f->trace.resolved = true;
	if (may_resolve())
		return (0);
	f->trace.verdict = OUTCOME_WAY_SELF;
	return (1);
}

/* Options ---------------------------------------------------------------------------------- */

struct long_option {
	CURLoption option;
	long value;
};

struct text_option {
	CURLoption option;
	const char *value;
};

/* clang-format off */

static const struct long_option longs[] = {
	{CURLOPT_NOSIGNAL, 1},
	{CURLOPT_NOPROGRESS, 1},
	{CURLOPT_SSL_VERIFYPEER, 1},
	{CURLOPT_SSL_VERIFYHOST, 2},
	{CURLOPT_PROXY_SSL_VERIFYPEER, 1},
	{CURLOPT_PROXY_SSL_VERIFYHOST, 2},
	{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
	{CURLOPT_SSL_SESSIONID_CACHE, 0}, /* of this handle alone, so of no use */
	{CURLOPT_NETRC, CURL_NETRC_IGNORED},
	{CURLOPT_FOLLOWLOCATION, 0},
	{CURLOPT_MAXREDIRS, 0},
	{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
	{CURLOPT_HTTP09_ALLOWED, 0},
	{CURLOPT_PIPEWAIT, 1}, /* rather multiplex than connect again */
	{CURLOPT_PATH_AS_IS, 1}, /* what was checked is what is sent */
	{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
	{CURLOPT_BUFFERSIZE, 4096}, /* answers are short, flights are many */
	{CURLOPT_UPLOAD_BUFFERSIZE, 16384},
	{CURLOPT_MAXLIFETIME_CONN, LIFETIME_S},
#if LIBCURL_VERSION_NUM >= 0x075700
	{CURLOPT_QUICK_EXIT, 1}, /* else the loop waits for a resolver that hangs */
#endif
};

static const struct text_option texts[] = {
	{CURLOPT_REDIR_PROTOCOLS_STR, "https"}, /* followed or not */
	{CURLOPT_PROXY, ""}, /* not even the environment's */
	{CURLOPT_NOPROXY, ""},
	{CURLOPT_CAPATH, NULL}, /* Debian's folder costs 30 ms a connection */
	{CURLOPT_PROXY_CAPATH, NULL},
	{CURLOPT_ACCEPT_ENCODING, NULL},
	{CURLOPT_USERAGENT, "SigSentry/" PACKAGE_VERSION},
};

/* clang-format on */

#define NELEMS(a) (sizeof(a) / sizeof((a)[0]))

CURLcode
post_set_common(struct post_flight *f)
{
	const struct settings *s = f->post->settings;
	CURLcode code = CURLE_OK;
	size_t i;

	for (i = 0; i < NELEMS(longs); i++)
		POST_SET(f, code, longs[i].option, longs[i].value);
	for (i = 0; i < NELEMS(texts); i++)
		POST_SET(f, code, texts[i].option, texts[i].value);
	POST_SET(f, code, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_timeout_s * 1000);
	POST_SET(f, code, CURLOPT_TIMEOUT_MS, (long)s->total_timeout_s * 1000);
	POST_SET(f, code, CURLOPT_CAINFO, s->egress_ca_file);
	POST_SET(f, code, CURLOPT_PROXY_CAINFO, s->egress_ca_file);
	POST_SET(f, code, CURLOPT_OPENSOCKETFUNCTION, on_open);
	POST_SET(f, code, CURLOPT_OPENSOCKETDATA, f);
	POST_SET(f, code, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	POST_SET(f, code, CURLOPT_CLOSESOCKETDATA, f->post); /* connections outlive flights */
	POST_SET(f, code, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	POST_SET(f, code, CURLOPT_RESOLVER_START_DATA, f);
	POST_SET(f, code, CURLOPT_PRIVATE, f);
	return (code);
}

const char *
post_bracketed(const char *host, char out[static URL_HOST_MAX + 2])
{
	bool is_v6 = strchr(host, ':') != NULL;

	snprintf(out, URL_HOST_MAX + 2, "%s%s%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "");
	return (out);
}

/* Set ${option} to a list of the one ${text}, which the flight keeps in ${list}. */
static CURLcode
set_list(struct post_flight *f, CURLoption option, struct curl_slist **list, const char *text)
{
	CURLcode code = CURLE_OK;

	if ((*list = curl_slist_append(NULL, text)) == NULL)
		return (CURLE_OUT_OF_MEMORY);
	POST_SET(f, code, option, *list);
	return (code);
}

/*
 * To the address that ${host} is pinned to: by what the name means, since libcurl takes connections
 * to an address of CONNECT_TO for those of one host, and lets one that hangs there delay the first
 * of another name.  Only a URL that holds an address needs it.
 */
static CURLcode
set_pinned(struct post_flight *f, const char *host, uint16_t port)
{
	const struct egress_pin *pin = f->pin;
	const unsigned int to = pin->address_port == 0 ? port : pin->address_port;
	char text[2 * URL_HOST_MAX], ip[INET6_ADDRSTRLEN], name[URL_HOST_MAX + 2];
	struct address literal;
	CURLcode code;

	if (inet_ntop(pin->address.family == 4 ? AF_INET : AF_INET6, pin->address.bytes, ip,
		sizeof(ip)) == NULL)
		return (CURLE_BAD_FUNCTION_ARGUMENT);
	post_bracketed(ip, name);
	if (address_parse(slice_of(host), &literal) == ERR_OK) {
		snprintf(text, sizeof(text), "::%s:%u", name, to);
		return (set_list(f, CURLOPT_CONNECT_TO, &f->connect_to, text));
	}
	snprintf(text, sizeof(text), "%s:%u:%s", host, to, name);
	if ((code = set_list(f, CURLOPT_RESOLVE, &f->resolve, text)) != CURLE_OK)
		return (code);
	snprintf(text, sizeof(text), "::%s:%u", host, to);
	return (set_list(f, CURLOPT_CONNECT_TO, &f->connect_to, text));
}

/*
 * Say where to connect, other than the URL does: to the address that the name is pinned to; else
 * to the same name with the dot that keeps resolvers from trying it below the domains of their
 * search list.  The name in SNI, Host and certificate stays the URL's.
 */
CURLcode
post_set_target(struct post_flight *f, const char *host, uint16_t port)
{
	char text[2 * URL_HOST_MAX];
	struct address literal;

	if (f->pin != NULL)
		return (set_pinned(f, host, port));
	if (f->is_mail || post_is_proxied(f) || address_parse(slice_of(host), &literal) == ERR_OK)
		return (CURLE_OK);
	snprintf(text, sizeof(text), "::%s.:%u", host, port);
	f->trace.is_named = true;
	return (set_list(f, CURLOPT_CONNECT_TO, &f->connect_to, text));
}

CURLcode
post_set_proxy(struct post_flight *f)
{
	const struct egress_server *proxy = &f->post->settings->proxy;
	char text[URL_HOST_MAX + 32], name[URL_HOST_MAX + 2];
	CURLcode code = CURLE_OK;

	if (!post_is_proxied(f))
		return (CURLE_OK);
	snprintf(text, sizeof(text), "http%s://%s:%u", proxy->tls ? "s" : "",
	    post_bracketed(proxy->host, name), proxy->port);
	POST_SET(f, code, CURLOPT_PROXY, text);
	POST_SET(f, code, CURLOPT_HTTPPROXYTUNNEL, 1L);
	return (code);
}
