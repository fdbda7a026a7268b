#ifndef DOMAIN_EGRESS_H
#define DOMAIN_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "base/url.h"
#include "domain/address.h"

/** A name that the operator has tied to one address: an item of egress_connect_to. */
struct egress_pin {
	char host[URL_HOST_MAX]; /* lower case, without a trailing dot */
	uint16_t port;           /* of the URL; 0: any */
	struct address address;
	uint16_t address_port; /* 0: the URL's */
};

/** Where deliveries may go, as the config has it.  Borrowed. */
struct egress {
	const struct address_net *allow; /* networks that are open though they are not public */
	size_t nallow;
	const struct egress_pin *pins;
	size_t npins;
};

/** A server of the operator's own: the mail relay or the proxy. */
struct egress_server {
	bool tls;                /* smtps, https: TLS from the first byte */
	char host[URL_HOST_MAX]; /* lower case, without brackets */
	uint16_t port;
	char path[URL_HOST_MAX]; /* behind the '/'; "" where there is none */
};

/**
 * egress_pin_parse(s, out):
 * Read "host:port:address:port", as curl's --connect-to has it, with an address in place of the
 * second host; IPv6 in brackets, and each port may be left empty.  ERR_INVALID: anything else.
 */
enum err egress_pin_parse(struct slice s, struct egress_pin *out) MUST_CHECK;

/**
 * egress_pin_find(e, host, port):
 * The pin of ${host} (as struct url has it) and ${port}, or NULL.
 */
const struct egress_pin *egress_pin_find(const struct egress *e, const char *host, uint16_t port);

/**
 * egress_host_is_allowed(e, host, port):
 * Before anything is resolved: is ${host} (as struct url has it) a name, or the literal of an
 * address, that the policy lets us try?  A pinned one always is.
 */
bool egress_host_is_allowed(const struct egress *e, const char *host, uint16_t port);

/**
 * egress_address_is_allowed(e, pin, a, port):
 * At every connection: may it go to ${a} and ${port}?  With a ${pin} to that one alone; with NULL
 * to what address_is_allowed() says.
 */
bool egress_address_is_allowed(
    const struct egress *e, const struct egress_pin *pin, const struct address *a, uint16_t port);

/**
 * egress_server_parse(s, scheme, port, tls_port, out):
 * Read "${scheme}://host[:port][/path]", where an 's' behind ${scheme} asks for TLS ("smtp" takes
 * smtps:// too).  ${port} and ${tls_port} are the defaults; 0: one must be given.  No user and no
 * password.  ERR_INVALID: anything else.
 */
enum err egress_server_parse(struct slice s, const char *scheme, uint16_t port, uint16_t tls_port,
    struct egress_server *out) MUST_CHECK;

#endif
