/*
 * What of the egress policy comes from the config: names tied to addresses, and the servers that
 * the operator names.  The networks themselves are in address.c.
 */
#include "domain/egress.h"

#include <ctype.h>
#include <string.h>

/* Cut a host off ${rest}, up to the ':' (or the end); an address in brackets without them. */
static enum err
take_host(struct slice *rest, struct slice *host)
{
	const char *end;

	if (rest->len > 0 && rest->ptr[0] == '[') {
		if ((end = memchr(rest->ptr, ']', rest->len)) == NULL)
			return (ERR_INVALID);
		*host = slice_make(rest->ptr + 1, (size_t)(end - rest->ptr) - 1);
		*rest = slice_skip(*rest, host->len + 2);
	} else {
		end = rest->len == 0 ? NULL : memchr(rest->ptr, ':', rest->len);
		*host = slice_make(rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr));
		*rest = slice_skip(*rest, host->len);
	}
	return (host->len > 0 ? ERR_OK : ERR_INVALID);
}

/* Cut ":port" off ${rest}; empty digits leave ${port} as it is. */
static enum err
take_port(struct slice *rest, uint16_t *port)
{
	uint64_t n = 0;
	size_t len = 0;

	if (rest->len == 0 || rest->ptr[0] != ':')
		return (ERR_INVALID);
	*rest = slice_skip(*rest, 1);
	while (len < rest->len && isdigit((unsigned char)rest->ptr[len]))
		len++;
	if (len > 0) {
		if (text_u64(slice_make(rest->ptr, len), UINT16_MAX, &n) != ERR_OK || n == 0)
			return (ERR_INVALID);
		*port = (uint16_t)n;
	}
	*rest = slice_skip(*rest, len);
	return (ERR_OK);
}

/* Put ${host} down in lower case and without a trailing dot, if it is a name or an address. */
static enum err
put_host(struct slice host, char out[static URL_HOST_MAX])
{
	struct address a;
	size_t i;

	if (host.len > 0 && host.ptr[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len >= URL_HOST_MAX)
		return (ERR_INVALID);
	if (memchr(host.ptr, ':', host.len) != NULL && address_parse(host, &a) != ERR_OK)
		return (ERR_INVALID);
	for (i = 0; i < host.len; i++) {
		if (!isalnum((unsigned char)host.ptr[i]) && memchr("-_.:", host.ptr[i], 4) == NULL)
			return (ERR_INVALID);
		out[i] = (char)tolower((unsigned char)host.ptr[i]);
	}
	out[i] = '\0';
	return (ERR_OK);
}

enum err
egress_pin_parse(struct slice s, struct egress_pin *out)
{
	struct egress_pin pin = {.port = 0, .address_port = 0};
	struct slice host, address;

	if (take_host(&s, &host) != ERR_OK || put_host(host, pin.host) != ERR_OK ||
	    take_port(&s, &pin.port) != ERR_OK || s.len == 0 || s.ptr[0] != ':')
		return (ERR_INVALID);
	s = slice_skip(s, 1);
	if (take_host(&s, &address) != ERR_OK || address_parse(address, &pin.address) != ERR_OK ||
	    take_port(&s, &pin.address_port) != ERR_OK || s.len > 0)
		return (ERR_INVALID);
	*out = pin;
	return (ERR_OK);
}

const struct egress_pin *
egress_pin_find(const struct egress *e, const char *host, uint16_t port)
{
	size_t i;

	for (i = 0; i < e->npins; i++) {
		if (strcmp(e->pins[i].host, host) == 0 &&
		    (e->pins[i].port == 0 || e->pins[i].port == port))
			return (&e->pins[i]);
	}
	return (NULL);
}

bool
egress_host_is_allowed(const struct egress *e, const char *host, uint16_t port)
{
	struct address a;

	if (egress_pin_find(e, host, port) != NULL)
		return (true);
	if (address_parse(slice_of(host), &a) == ERR_OK)
		return (address_is_allowed(&a, e->allow, e->nallow));
	return (!address_name_is_refused(slice_of(host)));
}

bool
egress_address_is_allowed(
    const struct egress *e, const struct egress_pin *pin, const struct address *a, uint16_t port)
{
	if (pin == NULL)
		return (address_is_allowed(a, e->allow, e->nallow));
	return (a->family == pin->address.family &&
		memcmp(a->bytes, pin->address.bytes, a->family == 4 ? 4 : 16) == 0 &&
		(pin->address_port == 0 || port == pin->address_port));
}

/* Cut "smtp://" or "smtps://" off ${s}. */
static enum err
take_scheme(struct slice *s, const char *scheme, bool *tls)
{
	if (!slice_starts(*s, slice_of(scheme)))
		return (ERR_INVALID);
	*s = slice_skip(*s, strlen(scheme));
	*tls = slice_starts(*s, slice_of("s"));
	if (*tls)
		*s = slice_skip(*s, 1);
	if (!slice_starts(*s, slice_of("://")))
		return (ERR_INVALID);
	*s = slice_skip(*s, 3);
	return (ERR_OK);
}

/* Put down what stands behind the '/': a name at the most. */
static enum err
put_path(struct slice path, char out[static URL_HOST_MAX])
{
	out[0] = '\0';
	return (path.len == 0 ? ERR_OK : put_host(path, out));
}

enum err
egress_server_parse(
    struct slice s, const char *scheme, uint16_t port, uint16_t tls_port, struct egress_server *out)
{
	struct egress_server server = {.tls = false};
	struct slice authority, host;

	if (take_scheme(&s, scheme, &server.tls) != ERR_OK)
		return (ERR_INVALID);
	server.port = server.tls ? tls_port : port;
	(void)slice_split(&s, '/', &authority);
	if (take_host(&authority, &host) != ERR_OK || put_host(host, server.host) != ERR_OK ||
	    (authority.len > 0 && take_port(&authority, &server.port) != ERR_OK) ||
	    authority.len > 0 || server.port == 0 || put_path(s, server.path) != ERR_OK)
		return (ERR_INVALID);
	*out = server;
	return (ERR_OK);
}
