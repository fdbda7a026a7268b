#ifndef DOMAIN_ADDRESS_H
#define DOMAIN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/** An IPv4 or IPv6 address. */
struct address {
	int family;        /* 4 or 6 */
	uint8_t bytes[16]; /* network order; IPv4 uses the first 4 */
};

/** A network in CIDR form. */
struct address_net {
	struct address base;
	unsigned int prefix_len; /* bits */
};

/**
 * address_parse(s, out):
 * Read a dotted quad or an IPv6 address without brackets and zone.  ERR_INVALID: anything else.
 */
enum err address_parse(struct slice s, struct address *out) MUST_CHECK;

/**
 * address_net_parse(s, out):
 * Read "192.0.2.0/24", "2001:db8::/32" or "[2001:db8::]/32"; a lone address is a /32 or /128.
 * ERR_INVALID: anything else, bits set behind the prefix included.
 */
enum err address_net_parse(struct slice s, struct address_net *out) MUST_CHECK;

/**
 * address_is_public(a):
 * Is ${a} a public unicast address by the egress policy (contract §5)?  Refused: IPv4 of the
 * IANA special-purpose registry, multicast, reserved, 168.63.129.16; IPv6 outside 2000::/3, and of
 * that 2001::/23, 2001:db8::/32, 2002::/16, 3fff::/20.  ::ffff:0:0/96 and 64:ff9b::/96 are judged
 * by the IPv4 address inside.
 */
bool address_is_public(const struct address *a);

/**
 * address_is_allowed(a, allow, nallow):
 * May a delivery go to ${a}: is it public, or in one of the networks that the config opened?
 * Mapped IPv4 is in a network when the IPv4 inside is.
 */
bool address_is_allowed(const struct address *a, const struct address_net *allow, size_t nallow);

/**
 * address_name_is_refused(host):
 * Is ${host} (lower case, no trailing dot, no literal) a name that can mean only an inside host:
 * localhost,
 * *.localhost, *.local, *.internal, ip6-*, or a single label?
 */
bool address_name_is_refused(struct slice host);

#endif
