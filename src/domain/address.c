/*
 * Where deliveries may go: one table of ranges, the egress policy of contract §5.  Used when a
 * channel is made or tested and, on the address that is really connected to, at every send.
 */
#include "domain/address.h"

#include <arpa/inet.h>
#include <string.h>

#define BRACKETED_MAX 48 /* bytes of the longest text of a network's address, brackets included */

/* clang-format off */

/* IPv4 that no delivery goes to: IANA's special-purpose registry (RFC 6890), multicast, and one of Azure's. */
static const struct address_net refused_v4[] = {
	{{4, {0}}, 8},               /* 0.0.0.0/8        "this network", RFC 791 §3.2 */
	{{4, {10}}, 8},              /* 10.0.0.0/8       private use, RFC 1918 */
	{{4, {100, 64}}, 10},        /* 100.64.0.0/10    carriers' shared space, RFC 6598 */
	{{4, {127}}, 8},             /* 127.0.0.0/8      loopback, RFC 1122 §3.2.1.3 */
	{{4, {169, 254}}, 16},       /* 169.254.0.0/16   link local (clouds' metadata services), RFC 3927 */
	{{4, {172, 16}}, 12},        /* 172.16.0.0/12    private use, RFC 1918 */
	{{4, {192, 0, 0}}, 24},      /* 192.0.0.0/24     protocol assignments as a whole, RFC 6890 §2.1 */
	{{4, {192, 0, 2}}, 24},      /* 192.0.2.0/24     documentation, RFC 5737 */
	{{4, {192, 31, 196}}, 24},   /* 192.31.196.0/24  AS112, RFC 7535 */
	{{4, {192, 52, 193}}, 24},   /* 192.52.193.0/24  AMT relays, RFC 7450 */
	{{4, {192, 88, 99}}, 24},    /* 192.88.99.0/24   6to4 relays, RFC 7526 */
	{{4, {192, 168}}, 16},       /* 192.168.0.0/16   private use, RFC 1918 */
	{{4, {192, 175, 48}}, 24},   /* 192.175.48.0/24  AS112, RFC 7534 */
	{{4, {198, 18}}, 15},        /* 198.18.0.0/15    benchmarking, RFC 2544 */
	{{4, {198, 51, 100}}, 24},   /* 198.51.100.0/24  documentation, RFC 5737 */
	{{4, {203, 0, 113}}, 24},    /* 203.0.113.0/24   documentation, RFC 5737 */
	{{4, {168, 63, 129, 16}}, 32}, /* Azure's platform services (DNS, metadata), not of the registry */
	{{4, {224}}, 4},             /* 224.0.0.0/4      multicast, RFC 5771 */
	{{4, {240}}, 4},             /* 240.0.0.0/4      reserved, RFC 1112 §4; 255.255.255.255, RFC 919 */
};

/* The only IPv6 that is public unicast (RFC 4291 §2.4, as IANA hands it out), and what of it is not. */
static const struct address_net global_v6 = {{6, {0x20}}, 3};
static const struct address_net refused_v6[] = {
	{{6, {0x20, 0x01}}, 23},             /* 2001::/23      protocol assignments, Teredo, RFC 2928 */
	{{6, {0x20, 0x01, 0x0d, 0xb8}}, 32}, /* 2001:db8::/32  documentation, RFC 3849 */
	{{6, {0x20, 0x02}}, 16},             /* 2002::/16      6to4, RFC 3056 */
	{{6, {0x3f, 0xff}}, 20},             /* 3fff::/20      documentation, RFC 9637 */
};

/* IPv6 that is IPv4 in disguise: the last four bytes decide. */
static const struct address_net mapped = {{6, {[10] = 0xff, [11] = 0xff}}, 96}; /* RFC 4291 §2.5.5.2 */
static const struct address_net nat64 = {{6, {0x00, 0x64, 0xff, 0x9b}}, 96};    /* RFC 6052 §2.1 */

/* Names of the inside, from RFC 6761 §6.3, RFC 6762 §3, ICANN's resolution on .internal and Debian's /etc/hosts. */
static const struct slice inside_suffixes[] = {
	SLICE_LIT(".localhost"), SLICE_LIT(".local"), SLICE_LIT(".internal"),
};
static const struct slice inside_prefix = SLICE_LIT("ip6-");

/* clang-format on */

enum err
address_parse(struct slice s, struct address *out)
{
	struct address a = {0, {0}};
	char text[INET6_ADDRSTRLEN];

	if (s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, '\0', s.len) != NULL)
		return (ERR_INVALID);
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = 6;
	else
		return (ERR_INVALID);
	*out = a;
	return (ERR_OK);
}

/* How many bits an address of that family has. */
static unsigned int
family_bits(int family)
{
	return (family == 4 ? 32 : 128);
}

/* Is ${a} in ${net}?  One of the other family never is. */
static bool
net_holds(const struct address_net *net, const struct address *a)
{
	size_t whole = net->prefix_len / 8;
	unsigned int rest = net->prefix_len % 8;

	if (a->family != net->base.family || net->prefix_len > family_bits(a->family))
		return (false);
	if (memcmp(a->bytes, net->base.bytes, whole) != 0)
		return (false);
	return (rest == 0 || (a->bytes[whole] ^ net->base.bytes[whole]) >> (8 - rest) == 0);
}

static bool
any_holds(const struct address_net nets[], size_t nnets, const struct address *a)
{
	size_t i;

	for (i = 0; i < nnets; i++) {
		if (net_holds(&nets[i], a))
			return (true);
	}
	return (false);
}

/* Has ${net} bits set behind its prefix? */
static bool
net_has_host_bits(const struct address_net *net)
{
	unsigned int i;

	for (i = net->prefix_len; i < family_bits(net->base.family); i++) {
		if ((net->base.bytes[i / 8] >> (7 - i % 8) & 1) != 0)
			return (true);
	}
	return (false);
}

/* Take the brackets off "[2001:db8::]"; only IPv6 stands in them. */
static enum err
parse_bracketed(struct slice s, struct address *out)
{
	struct address a;

	if (s.len < 2 || s.len > BRACKETED_MAX || s.ptr[s.len - 1] != ']')
		return (ERR_INVALID);
	if (address_parse(slice_make(s.ptr + 1, s.len - 2), &a) != ERR_OK || a.family != 6)
		return (ERR_INVALID);
	*out = a;
	return (ERR_OK);
}

enum err
address_net_parse(struct slice s, struct address_net *out)
{
	struct address_net net;
	struct slice base;
	uint64_t bits;
	enum err e;

	if (!slice_split(&s, '/', &base) || base.len == 0)
		return (ERR_INVALID);
	e = base.ptr[0] == '[' ? parse_bracketed(base, &net.base) : address_parse(base, &net.base);
	if (e != ERR_OK)
		return (ERR_INVALID);
	bits = family_bits(net.base.family);
	if (s.ptr != NULL) {
		if (s.len > 1 && s.ptr[0] == '0')
			return (ERR_INVALID);
		if (text_u64(s, bits, &bits) != ERR_OK)
			return (ERR_INVALID);
	}
	net.prefix_len = (unsigned int)bits;
	if (net_has_host_bits(&net))
		return (ERR_INVALID);
	*out = net;
	return (ERR_OK);
}

/* The IPv4 address in the last four bytes of ${a}. */
static struct address
inner_v4(const struct address *a)
{
	struct address v4 = {4, {0}};

	memcpy(v4.bytes, a->bytes + 12, 4);
	return (v4);
}

bool
address_is_public(const struct address *a)
{
	struct address v4;

	if (a->family == 4)
		return (!any_holds(refused_v4, sizeof(refused_v4) / sizeof(refused_v4[0]), a));
	if (net_holds(&mapped, a) || net_holds(&nat64, a)) {
		v4 = inner_v4(a);
		return (address_is_public(&v4));
	}
	return (net_holds(&global_v6, a) &&
		!any_holds(refused_v6, sizeof(refused_v6) / sizeof(refused_v6[0]), a));
}

bool
address_is_allowed(const struct address *a, const struct address_net *allow, size_t nallow)
{
	struct address v4;

	if (address_is_public(a) || any_holds(allow, nallow, a))
		return (true);
	if (!net_holds(&mapped, a))
		return (false);
	v4 = inner_v4(a);
	return (any_holds(allow, nallow, &v4));
}

bool
address_name_is_refused(struct slice host)
{
	size_t i;

	if (host.len == 0 ||
	    memchr(host.ptr, '.', host.len) == NULL) /* localhost is one of these */
		return (true);
	if (slice_starts(host, inside_prefix))
		return (true);
	for (i = 0; i < sizeof(inside_suffixes) / sizeof(inside_suffixes[0]); i++) {
		if (slice_ends_nocase(host, inside_suffixes[i]))
			return (true);
	}
	return (false);
}
