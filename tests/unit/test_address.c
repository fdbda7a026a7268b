/* The egress policy: both ends of every range, IPv4 in IPv6, the config's networks, names. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "domain/address.h"

/* clang-format off */
static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
		uint8_t bytes[16];
	} rows[] = {
		{"192.0.2.1", 4, {192, 0, 2, 1}},
		{"0.0.0.0", 4, {0}},
		{"255.255.255.255", 4, {255, 255, 255, 255}},
		{"::", 6, {0}},
		{"2001:DB8::1", 6, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
		{"::ffff:10.0.0.1", 6, {[10] = 0xff, 0xff, 10, 0, 0, 1}},
		{"1:2:3:4:5:6:7:8", 6, {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}},
		{"", 0, {0}},
		{NULL, 0, {0}},
		{"1.2.3", 0, {0}},
		{"1.2.3.4.5", 0, {0}},
		{"1.2.3.256", 0, {0}},
		{"01.2.3.4", 0, {0}},
		{"0x7f.0.0.1", 0, {0}},
		{"2130706433", 0, {0}},
		{"1.2.3.4 ", 0, {0}},
		{" 1.2.3.4", 0, {0}},
		{"1.2.3.4.", 0, {0}},
		{"[::1]", 0, {0}},
		{"fe80::1%eth0", 0, {0}},
		{"1::2::3", 0, {0}},
		{"example.com", 0, {0}},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", 0, {0}},
	};
	struct address a;
	const char *row;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].text == NULL ? "(absent)" : rows[i].text;
		memset(&a, 0xee, sizeof(a));
		if (rows[i].family == 0) {
			CHECK(row, address_parse(slice_of(rows[i].text), &a) == ERR_INVALID);
			continue;
		}
		CHECK(row, address_parse(slice_of(rows[i].text), &a) == ERR_OK);
		CHECK(row, a.family == rows[i].family);
		CHECK(row, memcmp(a.bytes, rows[i].bytes, rows[i].family == 4 ? 4 : 16) == 0);
	}
	CHECK("NUL inside", address_parse(slice_make("1.2.3.4\0x", 9), &a) == ERR_INVALID);
}

static void
test_net_parse(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
		unsigned int prefix_len;
	} rows[] = {
		{"192.0.2.0/24", 4, 24},
		{"192.0.2.7", 4, 32},
		{"192.0.2.7/32", 4, 32},
		{"0.0.0.0/0", 4, 0},
		{"198.18.0.0/15", 4, 15},
		{"2001:db8::/32", 6, 32},
		{"[2001:db8::]/32", 6, 32},
		{"[::1]", 6, 128},
		{"::1", 6, 128},
		{"::/0", 6, 0},
		{"2000::/3", 6, 3},
		{"", 0, 0},
		{NULL, 0, 0},
		{"/24", 0, 0},
		{"192.0.2.0/", 0, 0},
		{"192.0.2.0/33", 0, 0},
		{"192.0.2.0/024", 0, 0},
		{"192.0.2.0/-1", 0, 0},
		{"192.0.2.0/24/24", 0, 0},
		{"192.0.2.1/24", 0, 0},   /* bits behind the prefix */
		{"198.19.0.0/15", 0, 0},  /* the first of them */
		{"192.0.2.0/22", 0, 0},
		{"2001:db8::1/32", 0, 0},
		{"2001:db8::/129", 0, 0},
		{"3000::/3", 0, 0},
		{"[2001:db8::/32", 0, 0},
		{"[2001:db8::/32]", 0, 0},
		{"2001:db8::]/32", 0, 0},
		{"[192.0.2.0]/24", 0, 0},
		{"[]/24", 0, 0},
		{"[", 0, 0},
		{"example.com/24", 0, 0},
	};
	struct address_net net;
	const char *row;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].text == NULL ? "(absent)" : rows[i].text;
		if (rows[i].family == 0) {
			CHECK(row, address_net_parse(slice_of(rows[i].text), &net) == ERR_INVALID);
			continue;
		}
		CHECK(row, address_net_parse(slice_of(rows[i].text), &net) == ERR_OK);
		CHECK(row, net.base.family == rows[i].family);
		CHECK(row, net.prefix_len == rows[i].prefix_len);
	}
}

/* The policy on a text; a text that is no address fails the row. */
static bool
is_public(const char *text)
{
	struct address a;

	CHECK(text, address_parse(slice_of(text), &a) == ERR_OK);
	return (address_is_public(&a));
}

static void
test_public(void **state)
{
	static const struct {
		const char *text;
		bool is_public;
	} rows[] = {
		/* each range by its two ends, and the neighbours on both sides */
		{"0.0.0.0", false}, {"0.255.255.255", false}, {"1.0.0.0", true},
		{"9.255.255.255", true}, {"10.0.0.0", false}, {"10.255.255.255", false},
		{"11.0.0.0", true},
		{"100.63.255.255", true}, {"100.64.0.0", false}, {"100.127.255.255", false},
		{"100.128.0.0", true},
		{"126.255.255.255", true}, {"127.0.0.0", false}, {"127.0.0.1", false},
		{"127.255.255.255", false}, {"128.0.0.0", true},
		{"168.63.129.15", true}, {"168.63.129.16", false}, {"168.63.129.17", true},
		{"169.253.255.255", true}, {"169.254.0.0", false}, {"169.254.169.254", false},
		{"169.254.255.255", false}, {"169.255.0.0", true},
		{"172.15.255.255", true}, {"172.16.0.0", false}, {"172.31.255.255", false},
		{"172.32.0.0", true},
		{"191.255.255.255", true}, {"192.0.0.0", false}, {"192.0.0.9", false},
		{"192.0.0.255", false}, {"192.0.1.0", true}, {"192.0.1.255", true},
		{"192.0.2.0", false}, {"192.0.2.255", false}, {"192.0.3.0", true},
		{"192.31.195.255", true}, {"192.31.196.0", false}, {"192.31.196.255", false},
		{"192.31.197.0", true},
		{"192.52.192.255", true}, {"192.52.193.0", false}, {"192.52.193.255", false},
		{"192.52.194.0", true},
		{"192.88.98.255", true}, {"192.88.99.0", false}, {"192.88.99.255", false},
		{"192.88.100.0", true},
		{"192.167.255.255", true}, {"192.168.0.0", false}, {"192.168.255.255", false},
		{"192.169.0.0", true},
		{"192.175.47.255", true}, {"192.175.48.0", false}, {"192.175.48.255", false},
		{"192.175.49.0", true},
		{"198.17.255.255", true}, {"198.18.0.0", false}, {"198.19.255.255", false},
		{"198.20.0.0", true},
		{"198.51.99.255", true}, {"198.51.100.0", false}, {"198.51.100.255", false},
		{"198.51.101.0", true},
		{"203.0.112.255", true}, {"203.0.113.0", false}, {"203.0.113.255", false},
		{"203.0.114.0", true},
		{"223.255.255.255", true}, {"224.0.0.0", false}, {"239.255.255.255", false},
		{"240.0.0.0", false}, {"255.255.255.254", false}, {"255.255.255.255", false},
		{"8.8.8.8", true},
		/* IPv6: 2000::/3 and the holes in it */
		{"::", false}, {"::1", false}, {"::8.8.8.8", false}, {"100::1", false},
		{"64:ff9b:1::8.8.8.8", false}, {"1fff:ffff::1", false},
		{"2000::", true}, {"2000:ffff::1", true},
		{"2001::", false}, {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", false},
		{"2001:200::", true},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", true}, {"2001:db8::", false},
		{"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", false}, {"2001:db9::", true},
		{"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true}, {"2002::", false},
		{"2002:808:808::1", false}, {"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
		{"2003::", true}, {"2606:4700::1111", true},
		{"3ffe:ffff::1", true}, {"3fff::", false},
		{"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", false}, {"3fff:1000::", true},
		{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true}, {"4000::", false},
		{"5f00::1", false}, {"fc00::1", false}, {"fd12::1", false}, {"fe80::1", false},
		{"fec0::1", false}, {"ff02::1", false},
		/* IPv4 in IPv6 */
		{"::ffff:8.8.8.8", true}, {"::ffff:127.0.0.1", false}, {"::ffff:a00:1", false},
		{"::ffff:168.63.129.16", false}, {"::fffe:8.8.8.8", false},
		{"::ffff:0:8.8.8.8", false}, {"1::ffff:8.8.8.8", false},
		{"64:ff9b::8.8.8.8", true}, {"64:ff9b::10.0.0.1", false},
		{"64:ff9b::169.254.169.254", false}, {"64:ff9b::1:8.8.8.8", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].text, is_public(rows[i].text) == rows[i].is_public);
}

static void
test_allowed(void **state)
{
	static const char *const open[] = {"10.1.0.0/16", "127.0.0.1", "fd00:1::/32",
	    "::ffff:192.168.0.0/112"};
	static const struct {
		const char *text;
		bool allowed;
	} rows[] = {
		{"8.8.8.8", true}, {"2606:4700::1111", true}, {"10.1.0.0", true},
		{"10.1.255.255", true}, {"10.0.255.255", false}, {"10.2.0.0", false},
		{"127.0.0.1", true}, {"127.0.0.2", false}, {"::ffff:10.1.2.3", true},
		{"::ffff:10.2.2.3", false}, {"::ffff:127.0.0.1", true}, {"64:ff9b::10.1.2.3", false},
		{"fd00:1::7", true}, {"fd00:2::7", false}, {"::1", false},
		{"::ffff:192.168.9.9", true}, {"192.168.9.9", false}, {"::10.1.2.3", false},
	};
	struct address_net nets[NELEMS(open)];
	struct address a;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(open); i++)
		CHECK(open[i], address_net_parse(slice_of(open[i]), &nets[i]) == ERR_OK);
	for (i = 0; i < NELEMS(rows); i++) {
		CHECK(rows[i].text, address_parse(slice_of(rows[i].text), &a) == ERR_OK);
		CHECK(rows[i].text,
		    address_is_allowed(&a, nets, NELEMS(nets)) == rows[i].allowed);
		CHECK(rows[i].text, address_is_allowed(&a, NULL, 0) == address_is_public(&a));
	}
	/* a whole family opened opens only that family */
	CHECK("0/0", address_net_parse(slice_of("0.0.0.0/0"), &nets[0]) == ERR_OK);
	CHECK("0/0", address_parse(slice_of("10.9.9.9"), &a) == ERR_OK);
	CHECK("0/0", address_is_allowed(&a, nets, 1));
	CHECK("0/0", address_parse(slice_of("::1"), &a) == ERR_OK);
	CHECK("0/0", !address_is_allowed(&a, nets, 1));
}

static void
test_names(void **state)
{
	static const struct {
		const char *host;
		bool refused;
	} rows[] = {
		{"localhost", true}, {"a.localhost", true}, {"a.b.localhost", true},
		{"printer.local", true}, {"a.b.local", true}, {"db.internal", true},
		{"metadata.google.internal", true}, {"ip6-localhost", true}, {"ip6-loopback", true},
		{"ip6-allnodes", true}, {"intranet", true}, {"com", true}, {"", true},
		{"local", true}, {"internal", true},
		{"example.com", false}, {"localhost.example.com", false}, {"local.example", false},
		{"notlocalhost.com", false}, {"my-local.com", false}, {"a.mylocal", false},
		{"a.xinternal", false}, {"internal.example.com", false}, {"a.localhosts", false},
		{"xip6-a.example.com", false}, {"xn--bcher-kva.example", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		CHECK(rows[i].host,
		    address_name_is_refused(slice_of(rows[i].host)) == rows[i].refused);
}

/* clang-format on */

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_net_parse),
	    cmocka_unit_test(test_public),
	    cmocka_unit_test(test_allowed),
	    cmocka_unit_test(test_names),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
