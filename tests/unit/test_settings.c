/* sigsentry.conf as the programs read it: defaults, the lists' meaning, and what is refused. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/settings.h"

static char path[] = "/tmp/test_settings.XXXXXX";

/* Load an empty file with one override; on failure the reason is in ${why}. */
static const struct settings *
load_with(const char *override, struct buf *why)
{
	const char *overrides[] = {override};

	buf_init(why, 2048);
	return (settings_load(path, overrides, override == NULL ? 0 : 1, why));
}

static void
defaults(void **state)
{
	struct buf why;
	const struct settings *s = load_with(NULL, &why);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->api_workers, 4);
	assert_int_equal(s->seal_context_s, 60);
	assert_int_equal(s->lock_timeout_ms, 2000);
	assert_int_equal(s->request_deadline_ms, 8000);
	assert_int_equal(s->policy.negress_allow, 0);
	settings_free(s);
	buf_clear(&why);
}

static void
lists_become_policy(void **state)
{
	struct buf why;
	const struct settings *s = load_with("egress_allow=10.0.0.0/8 [2001:db8::]/32", &why);
	struct address a;

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->policy.negress_allow, 2);
	assert_int_equal(address_parse(slice_of("10.1.2.3"), &a), ERR_OK);
	assert_true(address_is_allowed(&a, s->policy.egress_allow, s->policy.negress_allow));
	settings_free(s);
	buf_clear(&why);
	s = load_with("hosts_slack=chat.example.com, .example.org", &why);
	assert_non_null(s);
	assert_int_equal(s->policy.nhosts[CHANNEL_SLACK], 2);
	assert_int_equal(s->policy.nhosts[CHANNEL_TEAMS], 0);
	settings_free(s);
	buf_clear(&why);
}

static void
bad_values_are_named(void **state)
{
	static const char *const rows[] = {
	    "api_workers=0",
	    "api_workers=65",
	    "seal_context_s=61", /* the contract promises a minute at the most */
	    "request_deadline_ms=99",
	    "api_socket=relative.sock",
	    "api_socket=/"
	    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
	    "2345678901234567890123456",
	    "egress_allow=10.0.0.1/8",
	    "egress_allow=fe80::/129",
	    "hosts_slack=https://chat.example.com",
	    "hosts_slack=Chat.example.com",
	    "log_level=loud",
	    "database=",
	    "keyring_public=",
	    "api_worker=4",
	};
	struct buf why;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		const struct settings *s = load_with(rows[i], &why);

		CHECK(rows[i], s == NULL);
		CHECK(rows[i], strstr(buf_str(&why), rows[i]) != NULL);
		buf_clear(&why);
	}
}

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return (fd < 0 ? -1 : close(fd));
}

static int
drop_file(void **state)
{
	(void)state;
	return (unlink(path));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(lists_become_policy),
	    cmocka_unit_test(bad_values_are_named),
	};

	return (cmocka_run_group_tests(tests, make_file, drop_file));
}
