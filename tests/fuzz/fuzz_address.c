/* Addresses, networks, pins and servers, as the config and DNS give them: judged as a second table
 * has it, and never longer than their place. */
#include "domain/address.h"

#include <arpa/inet.h>

#include "domain/egress.h"
#include "fuzz.h"
#include "inside.h"

#define TEXT_CAP 4096

static void
check_address(struct slice text, const char *str)
{
	uint8_t theirs[16];
	struct address a;
	bool v6;

	if (address_parse(text, &a) != ERR_OK) {
		MUST(strlen(str) != text.len || inet_pton(AF_INET, str, theirs) != 1);
		return;
	}
	v6 = a.family == 6;
	MUST(v6 || a.family == 4);
	MUST(strlen(str) == text.len && inet_pton(v6 ? AF_INET6 : AF_INET, str, theirs) == 1);
	MUST(memcmp(theirs, a.bytes, v6 ? 16 : 4) == 0);
	MUST(address_is_public(&a) != (v6 ? inside_v6(a.bytes) : inside_v4(a.bytes)));
	MUST(address_is_allowed(&a, NULL, 0) == address_is_public(&a));
}

static void
check_net(struct slice text)
{
	struct address_net net;
	unsigned int i, bits;

	if (address_net_parse(text, &net) != ERR_OK)
		return;
	bits = net.base.family == 6 ? 128 : 32;
	MUST(net.prefix_len <= bits);
	for (i = net.prefix_len; i < bits; i++)
		MUST((net.base.bytes[i / 8] >> (7 - i % 8) & 1) == 0);
	MUST(address_is_allowed(&net.base, &net, 1));
}

static void
check_pin(struct slice text)
{
	struct egress_pin pin, none;
	struct egress e = {NULL, 0, &pin, 1};

	if (egress_pin_parse(text, &pin) != ERR_OK)
		return;
	MUST(memchr(pin.host, '\0', sizeof(pin.host)) != NULL && pin.host[0] != '\0');
	MUST(pin.address.family == 4 || pin.address.family == 6);
	MUST(egress_pin_find(&e, pin.host, pin.port == 0 ? 443 : pin.port) == &pin);
	/* it opens its own address and no other */
	MUST(egress_address_is_allowed(
	    &e, &pin, &pin.address, pin.address_port == 0 ? pin.port : pin.address_port));
	none = pin;
	none.address.bytes[1] ^= 1;
	MUST(!egress_address_is_allowed(
	    &e, &pin, &none.address, pin.address_port == 0 ? pin.port : pin.address_port));
}

static void
check_server(struct slice text)
{
	struct egress_server s;

	if (egress_server_parse(text, "smtp", 587, 465, &s) != ERR_OK)
		return;
	MUST(memchr(s.host, '\0', sizeof(s.host)) != NULL && s.host[0] != '\0');
	MUST(memchr(s.path, '\0', sizeof(s.path)) != NULL);
	MUST(s.port != 0 && strchr(s.host, '@') == NULL && strchr(s.host, '[') == NULL);
	MUST(s.tls == (text.len > 4 && (text.ptr[4] | 0x20) == 's'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size);
	char str[TEXT_CAP];

	if (size >= sizeof(str))
		return (0);
	memcpy(str, text.ptr, size);
	str[size] = '\0';
	check_address(text, str);
	check_net(text);
	check_pin(text);
	check_server(text);
	return (0);
}
