/* Names tied to addresses, the operator's own servers, and what may be connected to. */
#include "check.h"

#include <string.h>

#include "domain/egress.h"

static struct address
address(const char *text)
{
	struct address a;

	CHECK(text, address_parse(slice_of(text), &a) == ERR_OK);
	return (a);
}

/* clang-format off */
static void
pins(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		uint16_t port;
		const char *address;
		uint16_t address_port;
	} rows[] = {
		{"sink.example.com:443:127.0.0.1:8443", "sink.example.com", 443, "127.0.0.1", 8443},
		{"Sink.Example.com.:443:127.0.0.1:8443", "sink.example.com", 443, "127.0.0.1", 8443},
		{"sink.example.com::127.0.0.1:", "sink.example.com", 0, "127.0.0.1", 0},
		{"sink.example.com:443:[::1]:8443", "sink.example.com", 443, "::1", 8443},
		{"[2606:4700::1]:443:[::1]:8443", "2606:4700::1", 443, "::1", 8443},
		{"localhost:1:127.0.0.1:65535", "localhost", 1, "127.0.0.1", 65535},
		{":443:127.0.0.1:8443", NULL, 0, NULL, 0},
		{"sink.example.com:443", NULL, 0, NULL, 0},
		{"sink.example.com:443:127.0.0.1", NULL, 0, NULL, 0},
		{"sink.example.com:443:127.0.0.1:8443:", NULL, 0, NULL, 0},
		{"sink.example.com:443:other.example.com:8443", NULL, 0, NULL, 0},
		{"sink.example.com:443::1:8443", NULL, 0, NULL, 0},
		{"sink.example.com:0:127.0.0.1:8443", NULL, 0, NULL, 0},
		{"sink.example.com:443:127.0.0.1:65536", NULL, 0, NULL, 0},
		{"sink.example.com:x:127.0.0.1:8443", NULL, 0, NULL, 0},
		{"sink example:443:127.0.0.1:8443", NULL, 0, NULL, 0},
		{"sink/x:443:127.0.0.1:8443", NULL, 0, NULL, 0},
		{"[sink:443:127.0.0.1:8443", NULL, 0, NULL, 0},
		{"", NULL, 0, NULL, 0},
	};
	struct egress_pin pin;
	struct address a;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		if (rows[i].host == NULL) {
			CHECK(rows[i].text, egress_pin_parse(slice_of(rows[i].text), &pin) == ERR_INVALID);
			continue;
		}
		a = address(rows[i].address);
		CHECK(rows[i].text, egress_pin_parse(slice_of(rows[i].text), &pin) == ERR_OK);
		CHECK(rows[i].text, strcmp(pin.host, rows[i].host) == 0 && pin.port == rows[i].port);
		CHECK(rows[i].text, pin.address.family == a.family && pin.address_port == rows[i].address_port);
		CHECK(rows[i].text, memcmp(pin.address.bytes, a.bytes, a.family == 4 ? 4 : 16) == 0);
	}
}

static void
policy(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool host_ok; /* before resolving */
		const char *address;
		uint16_t address_port;
		bool address_ok;
	} rows[] = {
		{"example.com", 443, true, "8.8.8.8", 443, true},
		{"example.com", 443, true, "127.0.0.1", 443, false},
		{"example.com", 443, true, "10.1.2.3", 443, true}, /* egress_allow */
		{"example.com", 443, true, "::ffff:10.1.2.3", 443, true},
		{"example.com", 443, true, "::ffff:127.0.0.1", 443, false},
		{"example.com", 443, true, "64:ff9b::7f00:1", 443, false},
		{"example.com", 443, true, "::1", 443, false},
		{"localhost", 443, false, "8.8.8.8", 443, true},
		{"a.internal", 443, false, "8.8.8.8", 443, true},
		{"8.8.8.8", 443, true, "8.8.8.8", 443, true},
		{"10.9.9.9", 443, true, "10.9.9.9", 443, true},
		{"127.0.0.1", 443, false, "127.0.0.1", 443, false},
		{"::1", 443, false, "::1", 443, false},
		{"sink.example.com", 443, true, "127.0.0.1", 8443, true}, /* pinned: that one … */
		{"sink.example.com", 443, true, "127.0.0.1", 8444, false},
		{"sink.example.com", 443, true, "127.0.0.2", 8443, false},
		{"sink.example.com", 443, true, "8.8.8.8", 443, false}, /* … and no other */
		{"sink.example.com", 444, true, "127.0.0.1", 8443, false}, /* another port is another thing */
		{"local.internal", 5, true, "127.0.0.1", 5, true},
		{"a.sink.example.com", 443, true, "127.0.0.1", 8443, false},
	};
	struct egress_pin list[2];
	struct address_net open = {{4, {10}}, 8};
	struct egress e = {&open, 1, list, 2};
	struct address a;
	size_t i;

	(void)state;
	assert_int_equal(egress_pin_parse(slice_of("sink.example.com:443:127.0.0.1:8443"), &list[0]), ERR_OK);
	assert_int_equal(egress_pin_parse(slice_of("local.internal::127.0.0.1:"), &list[1]), ERR_OK);
	for (i = 0; i < NELEMS(rows); i++) {
		a = address(rows[i].address);
		CHECK(rows[i].host, egress_host_is_allowed(&e, rows[i].host, rows[i].port) == rows[i].host_ok);
		CHECK(rows[i].address, egress_address_is_allowed(&e, egress_pin_find(&e, rows[i].host, rows[i].port),
		    &a, rows[i].address_port) == rows[i].address_ok);
	}
}

static void
servers(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		bool tls;
		uint16_t port;
		const char *path;
	} rows[] = {
		{"smtp://relay.example.com", "relay.example.com", false, 587, ""},
		{"smtps://relay.example.com", "relay.example.com", true, 465, ""},
		{"smtp://Relay:25/mail.example.com", "relay", false, 25, "mail.example.com"},
		{"smtp://127.0.0.1:2525/", "127.0.0.1", false, 2525, ""},
		{"smtp://[::1]:2525", "::1", false, 2525, ""},
		{"smtp://", NULL, false, 0, NULL},
		{"smtp:relay", NULL, false, 0, NULL},
		{"smtpx://relay", NULL, false, 0, NULL},
		{"SMTP://relay", NULL, false, 0, NULL},
		{"smtp://relay:0", NULL, false, 0, NULL},
		{"smtp://relay:x", NULL, false, 0, NULL},
		{"smtp://a:b@relay", NULL, false, 0, NULL},
		{"smtp://relay/a/b", NULL, false, 0, NULL},
		{"smtp://relay/a\rb", NULL, false, 0, NULL},
		{"smtp://relay?x", NULL, false, 0, NULL},
		{"smtp://[::1", NULL, false, 0, NULL},
		{"", NULL, false, 0, NULL},
	};
	struct egress_server s;
	enum err e;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		e = egress_server_parse(slice_of(rows[i].text), "smtp", 587, 465, &s);
		CHECK(rows[i].text, (e == ERR_OK) == (rows[i].host != NULL));
		if (e != ERR_OK)
			continue;
		CHECK(rows[i].text, strcmp(s.host, rows[i].host) == 0 && strcmp(s.path, rows[i].path) == 0);
		CHECK(rows[i].text, s.tls == rows[i].tls && s.port == rows[i].port);
	}
	assert_int_equal(egress_server_parse(slice_of("http://proxy"), "http", 0, 0, &s), ERR_INVALID);
}
/* clang-format on */

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pins),
	    cmocka_unit_test(policy),
	    cmocka_unit_test(servers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
