/* uuid: the text form both ways, every wrong text, version 7's bits and order. */
#include "base/uuid.h"

#include <string.h>

#include "bytes.h"

static void
test_parse(void **st)
{
	/* hex: NULL where refused */
	static const struct {
		const char *text, *hex;
	} rows[] = {
	    {"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a", "9b7a3b2c2e6e4f1f8c5a1b2c3d4e5f6a"},
	    {"9B7A3B2C-2E6E-4F1F-8C5A-1B2C3D4E5F6A", "9b7a3b2c2e6e4f1f8c5a1b2c3d4e5f6a"},
	    {"00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"},
	    {"ffffffff-ffff-ffff-ffff-ffffffffffff", "ffffffffffffffffffffffffffffffff"},
	    {"00000000-0000-1000-0000-000000000001", "00000000000010000000000000000001"},
	    {"", NULL},
	    {NULL, NULL},
	    {"9b7a3b2c2e6e4f1f8c5a1b2c3d4e5f6a", NULL},
	    {"{9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a}", NULL},
	    {"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6", NULL},
	    {"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a0", NULL},
	    {"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6g", NULL},
	    {"9b7a3b2c 2e6e-4f1f-8c5a-1b2c3d4e5f6a", NULL},
	    {"9b7a3b2c-2e6e-4f1f-8c5a 1b2c3d4e5f6a", NULL},
	    {"9b7a3b2c2-e6e-4f1f-8c5a-1b2c3d4e5f6a", NULL},
	    {"9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e-f6a", NULL},
	    {"-b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a", NULL},
	    {" 9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6", NULL},
	    {"urn:uuid:9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a", NULL},
	};
	struct uuid u;
	const char *row;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].text == NULL ? "absent" : rows[i].text;
		memset(&u, 0x5a, sizeof(u));
		if (rows[i].hex == NULL) {
			CHECK(row, uuid_parse(slice_of(rows[i].text), &u) == ERR_INVALID);
			CHECK(row, bytes_are(&u, sizeof(u), 0x5a));
			continue;
		}
		CHECK(row, uuid_parse(slice_of(rows[i].text), &u) == ERR_OK);
		CHECK(row, memcmp(u.bytes, bytes_hex(rows[i].hex).b, 16) == 0);
	}
}

static void
test_text(void **st)
{
	char out[UUID_TEXT_SIZE + 1];
	struct uuid u;

	(void)st;
	memcpy(u.bytes, bytes_hex("9b7a3b2c2e6e4f1f8c5a1b2c3d4e5f6a").b, 16);
	memset(out, 'x', sizeof(out));
	uuid_text(&u, out);
	assert_string_equal(out, "9b7a3b2c-2e6e-4f1f-8c5a-1b2c3d4e5f6a");
	CHECK("no more than its size", out[UUID_TEXT_SIZE] == 'x');
}

static void
test_v7(void **st)
{
	/* the first is RFC 9562 appendix A.6 */
	static const struct {
		int64_t wall_ms;
		const char *random, *text;
	} rows[] = {
	    {1645557742000, "0cc318c4dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"},
	    {0, "00000000000000000000", "00000000-0000-7000-8000-000000000000"},
	    {(1ll << 48) - 1, "ffffffffffffffffffff", "ffffffff-ffff-7fff-bfff-ffffffffffff"},
	};
	char text[UUID_TEXT_SIZE];
	struct uuid u, later;
	size_t i;

	(void)st;
	for (i = 0; i < NELEMS(rows); i++) {
		uuid_v7(rows[i].wall_ms, bytes_hex(rows[i].random).b, &u);
		uuid_text(&u, text);
		assert_string_equal(text, rows[i].text);
	}
	uuid_v7(255, bytes_hex("ffffffffffffffffffff").b, &u);
	uuid_v7(256, bytes_hex("00000000000000000000").b, &later);
	CHECK("in order of time", memcmp(u.bytes, later.bytes, 16) < 0);
}

static void
test_equal(void **st)
{
	struct uuid a = {{0}}, b = {{0}};
	size_t i;

	(void)st;
	CHECK("the same", uuid_equal(&a, &b));
	for (i = 0; i < sizeof(b.bytes); i++) {
		b.bytes[i] = 1;
		CHECK("another", !uuid_equal(&a, &b));
		b.bytes[i] = 0;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_v7),
	    cmocka_unit_test(test_equal),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
