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
	/* contract §5 */
	assert_int_equal(s->connect_timeout_s, 5);
	assert_int_equal(s->total_timeout_s, 15);
	assert_int_equal(s->disable_after_s, 5 * 86400);
	assert_string_equal(s->courier_state, "/var/lib/sigsentry/courier.epoch");
	assert_int_equal(s->poll_ms, 20);
	assert_int_equal(s->max_flights, 1000);
	assert_string_equal(s->egress_ca_file, "/etc/ssl/certs/ca-certificates.crt");
	assert_int_equal(s->egress.npins, 0);
	assert_int_equal(s->proxy.port, 0);
	assert_int_equal(s->relay.port, 0);
	settings_free(s);
	buf_clear(&why);
}

static void
schedule(void **state)
{
	static const int64_t contract[] = {5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200};
	struct buf why;
	const struct settings *s = load_with(NULL, &why);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->nretries, NELEMS(contract));
	assert_memory_equal(s->retry_s, contract, sizeof(contract));
	settings_free(s);
	buf_clear(&why);
	s = load_with("retry_schedule=0, 1", &why);
	assert_non_null(s);
	assert_int_equal(s->nretries, 2);
	assert_int_equal(s->retry_s[1], 1);
	settings_free(s);
	buf_clear(&why);
	s = load_with("retry_schedule=", &why); /* one attempt and no more */
	assert_non_null(s);
	assert_int_equal(s->nretries, 0);
	settings_free(s);
	buf_clear(&why);
}

static void
egress(void **state)
{
	struct buf why;
	const struct settings *s = load_with(
	    "egress_connect_to=sink.example.com:443:127.0.0.1:8443 b.example.com::[::1]:", &why);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->egress.npins, 2);
	assert_non_null(egress_pin_find(&s->egress, "sink.example.com", 443));
	settings_free(s);
	buf_clear(&why);
	s = load_with("egress_proxy=http://[::1]:3128", &why);
	assert_non_null(s);
	assert_string_equal(s->proxy.host, "::1");
	assert_int_equal(s->proxy.port, 3128);
	settings_free(s);
	buf_clear(&why);
}

static void
mail(void **state)
{
	const char *overrides[] = {"smtp_url=smtp://relay.example.com", "mail_from=a@example.com",
	    "mail_allow_domains=example.com .example.org"};
	struct buf why;
	const struct settings *s;

	(void)state;
	buf_init(&why, 1024);
	s = settings_load(path, overrides, 3, &why);
	assert_non_null(s);
	assert_false(s->relay.tls);
	assert_int_equal(s->relay.port, 587);
	assert_string_equal(s->mail_envelope_from, "a@example.com");
	assert_true(settings_mail_is_allowed(s, slice_of("x@EXAMPLE.com")));
	assert_true(settings_mail_is_allowed(s, slice_of("x@a.example.org")));
	assert_false(settings_mail_is_allowed(s, slice_of("x@example.org")));
	assert_false(settings_mail_is_allowed(s, slice_of("x@notexample.com")));
	settings_free(s);
	s = load_with(NULL, &why);
	assert_true(settings_mail_is_allowed(s, slice_of("x@example.net")));
	settings_free(s);
	buf_clear(&why);
}

static void
keys_that_go_together(void **state)
{
	static const char *const rows[][2] = {
	    {"connect_timeout_s=16", "connect_timeout_s must not"},
	    {"smtp_url=smtp://relay.example.com", "smtp_url needs mail_from"},
	    {"smtp_user=courier", "smtp_user and smtp_password_file"},
	    {"smtp_password_file=/etc/x", "smtp_user and smtp_password_file"},
	};
	struct buf why;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		CHECK(rows[i][0], load_with(rows[i][0], &why) == NULL);
		CHECK(rows[i][0], strstr(buf_str(&why), rows[i][1]) != NULL);
		buf_clear(&why);
	}
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
	    "egress_connect_to=sink.example.com:443:127.0.0.1",
	    "egress_connect_to=sink.example.com:443:localhost:8443",
	    "egress_ca_file=",
	    "egress_proxy=http://proxy.example.com",
	    "egress_proxy=http://user:password@proxy.example.com:3128",
	    "egress_proxy=http://proxy.example.com:3128/path",
	    "egress_proxy=socks5://proxy.example.com:1080",
	    "smtp_url=relay.example.com",
	    "smtp_url=http://relay.example.com",
	    "smtp_url=smtp://user@relay.example.com",
	    "mail_from=SigSentry <a@example.com>",
	    "mail_from=a",
	    "mail_envelope_from=a b@example.com",
	    "operator_mail=@example.com",
	    "mail_allow_domains=a@example.com",
	    "mail_daily_cap=-1",
	    "retry_schedule=5s",
	    "retry_schedule=5 -1",
	    "retry_schedule=2592001",
	    "connect_timeout_s=0",
	    "total_timeout_s=0",
	    "poll_ms=0",
	    "max_flights=0",
	    "lease_s=0",
	    "drain_s=601",
	    "disable_after_s=-1",
	    "history_s=86399",
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
	    cmocka_unit_test(schedule),
	    cmocka_unit_test(egress),
	    cmocka_unit_test(mail),
	    cmocka_unit_test(keys_that_go_together),
	    cmocka_unit_test(bad_values_are_named),
	};

	return (cmocka_run_group_tests(tests, make_file, drop_file));
}
