#ifndef TESTS_FUZZ_INSIDE_H
#define TESTS_FUZZ_INSIDE_H

/* A second opinion on addresses: the networks of contract §5 and the IANA registries, written down
 * anew, for holding the product's table against. */
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/** A network that nothing may be sent to. */
struct inside_net {
	uint8_t base[4];
	unsigned int bits;
};

static const struct inside_net inside_nets[] = {
    {{0, 0, 0, 0}, 8},
    {{10, 0, 0, 0}, 8},
    {{100, 64, 0, 0}, 10},
    {{127, 0, 0, 0}, 8},
    {{168, 63, 129, 16}, 32},
    {{169, 254, 0, 0}, 16},
    {{172, 16, 0, 0}, 12},
    {{192, 0, 0, 0}, 24},
    {{192, 0, 2, 0}, 24},
    {{192, 31, 196, 0}, 24},
    {{192, 52, 193, 0}, 24},
    {{192, 175, 48, 0}, 24},
    {{192, 88, 99, 0}, 24},
    {{192, 168, 0, 0}, 16},
    {{198, 18, 0, 0}, 15},
    {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24},
    {{224, 0, 0, 0}, 4},
    {{240, 0, 0, 0}, 4},
};

static inline uint32_t
inside_u32(const uint8_t b[4])
{
	return ((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

/**
 * inside_v4(bytes), inside_v6(bytes):
 * Is the address, in network order, one that no delivery may go to?
 */
static inline bool
inside_v4(const uint8_t bytes[4])
{
	uint32_t a = inside_u32(bytes);
	size_t i;

	for (i = 0; i < sizeof(inside_nets) / sizeof(inside_nets[0]); i++) {
		if ((a ^ inside_u32(inside_nets[i].base)) >> (32 - inside_nets[i].bits) == 0)
			return (true);
	}
	return (false);
}

static inline bool
inside_v6(const uint8_t b[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (memcmp(b, mapped, 12) == 0 || memcmp(b, nat64, 12) == 0)
		return (inside_v4(b + 12));
	if (b[0] >> 5 != 1)
		return (true); /* outside of 2000::/3 */
	if (b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xfe) == 0)
		return (true); /* 2001::/23 */
	if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8)
		return (true);
	if (b[0] == 0x20 && b[1] == 0x02)
		return (true); /* 6to4 */
	return (b[0] == 0x3f && b[1] == 0xff && b[2] >> 4 == 0);
}

/**
 * inside_text(host):
 * Does the C library take ${host} for a numeric address, in whatever spelling, and is it one that
 * no delivery may go to?
 */
static inline bool
inside_text(const char *host)
{
	struct addrinfo hints, *found = NULL;
	bool is_inside = false;

	memset(&hints, 0, sizeof(hints));
	hints.ai_flags = AI_NUMERICHOST;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return (false);
	if (found->ai_family == AF_INET)
		is_inside = inside_v4(
		    (const uint8_t *)&((const struct sockaddr_in *)(const void *)found->ai_addr)
			->sin_addr);
	else if (found->ai_family == AF_INET6)
		is_inside = inside_v6(
		    ((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr.s6_addr);
	freeaddrinfo(found);
	return (is_inside);
}

#endif
