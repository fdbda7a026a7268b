/*
 * The table of sigsentry.conf's keys, and what is made of them once at start.  Every program knows
 * every key, so that one file serves them all and a misspelt key is told by each.
 */
#include "domain/settings.h"

#include <stdlib.h>
#include <string.h>

/* A settings struct with the memory that its texts live in. */
struct settings_file {
	struct settings s; /* first: the two are the same address */
	struct conf *conf;
};

static enum err
check_net(struct slice value, const char **why)
{
	struct address_net net;

	*why = "must be a network such as 10.0.0.0/8 or [2001:db8::]/32, with no bits set behind "
	       "its prefix";
	return (address_net_parse(value, &net));
}

static enum err
check_host(struct slice value, const char **why)
{
	size_t i;

	*why = "must be a host name in lower case (or .name for every host below it), without "
	       "scheme, port and path";
	for (i = 0; i < value.len; i++) {
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789.-_", value.ptr[i]) == NULL)
			return (ERR_INVALID);
	}
	return (ERR_OK);
}

static enum err
check_pin(struct slice value, const char **why)
{
	struct egress_pin pin;

	*why =
	    "must be host:port:address:port such as sink.example.com:443:127.0.0.1:8443, IPv6 in "
	    "brackets";
	return (egress_pin_parse(value, &pin));
}

#define PROXY_PORT 0 /* there is none that proxies agree on */
#define SMTP_PORT  587
#define SMTPS_PORT 465

static enum err
check_proxy(struct slice value, const char **why)
{
	struct egress_server server;

	*why = "must be http://host:port or https://host:port, without user, password and path";
	if (value.len == 0)
		return (ERR_OK);
	if (egress_server_parse(value, "http", PROXY_PORT, PROXY_PORT, &server) != ERR_OK)
		return (ERR_INVALID);
	return (server.path[0] == '\0' ? ERR_OK : ERR_INVALID);
}

static enum err
check_relay(struct slice value, const char **why)
{
	struct egress_server server;

	*why = "must be smtp://host:port or smtps://host:port, without user and password; a name "
	       "behind a / is what the courier calls itself";
	if (value.len == 0)
		return (ERR_OK);
	return (egress_server_parse(value, "smtp", SMTP_PORT, SMTPS_PORT, &server));
}

static enum err
check_address(struct slice value, const char **why)
{
	*why = "must be an e-mail address such as alerts@example.com, without a display name";
	return (value.len == 0 || credentials_is_address(value) ? ERR_OK : ERR_INVALID);
}

/* A month: whatever waits longer is forgotten by everybody. */
#define RETRY_MAX_S 2592000

static enum err
check_wait(struct slice value, const char **why)
{
	uint64_t seconds;

	*why = "must be whole seconds, 0 to 2592000";
	return (text_u64(value, RETRY_MAX_S, &seconds));
}

static enum err
check_set(struct slice value, const char **why)
{
	*why = "must not be empty";
	return (value.len > 0 ? ERR_OK : ERR_INVALID);
}

/* The Unix socket's path must fit sockaddr_un (unix(7)). */
static enum err
check_socket(struct slice value, const char **why)
{
	*why = "must be an absolute path of at most 107 bytes";
	return (value.len > 0 && value.len <= 107 && value.ptr[0] == '/' ? ERR_OK : ERR_INVALID);
}

#define AT(field) offsetof(struct settings, field)
#define TEXT(k, field, initial, chk)                                 \
	{                                                            \
		k, CONF_TEXT, AT(field), initial, 0, 0, NULL, 0, chk \
	}
#define INT(k, field, initial, lo, hi)                                 \
	{                                                              \
		k, CONF_INT, AT(field), initial, lo, hi, NULL, 0, NULL \
	}
#define LIST(k, field, initial, chk)                                 \
	{                                                            \
		k, CONF_LIST, AT(field), initial, 0, 0, NULL, 0, chk \
	}

#define RETRY_SCHEDULE "5 30 120 600 1800 3600 10800 21600 43200"
#define CA_FILE        "/etc/ssl/certs/ca-certificates.crt"

static const char *const yes_words[SETTINGS_YES__MAX] = {
    [SETTINGS_NO] = "no",
    [SETTINGS_YES] = "yes",
};

/* clang-format off */
static const struct conf_key keys[] = {
	TEXT("database",            database,            "dbname=sigsentry",                     check_set),
	TEXT("api_socket",          api_socket,          "/run/sigsentry/api.sock",              check_socket),
	TEXT("api_socket_group",    api_socket_group,    "",                                     NULL),
	INT ("api_workers",         api_workers,         "4",     1, 64),
	INT ("api_backlog",         api_backlog,         "1024",  1, 65535),
	INT ("request_deadline_ms", request_deadline_ms, "8000",  100, 60000),
	INT ("lock_timeout_ms",     lock_timeout_ms,     "2000",  10, 60000),
	INT ("seal_context_s",      seal_context_s,      "60",    0, 60),
	INT ("ready_oldest_due_s",  ready_oldest_due_s,  "300",   0, 86400),
	TEXT("keyring_public",      keyring_public,      "/etc/sigsentry/keyring.public",        check_set),
	TEXT("keyring_private",     keyring_private,     "/etc/sigsentry/keyring.private",       check_set),
	{"auto_migrate", CONF_WORD, AT(auto_migrate), "yes", 0, 0, yes_words, SETTINGS_YES__MAX, NULL},
	{"log_level", CONF_WORD, AT(log_level), "info", 0, 0, log_level_words, LOG_LEVEL__MAX, NULL},
	LIST("egress_allow",        egress_allow,                 "",    check_net),
	LIST("egress_connect_to",   egress_connect_to,            "",    check_pin),
	TEXT("egress_ca_file",      egress_ca_file,      CA_FILE,                                check_set),
	TEXT("egress_proxy",        egress_proxy,        "",                                     check_proxy),
	LIST("hosts_slack",         hosts[CHANNEL_SLACK],         "",    check_host),
	LIST("hosts_teams",         hosts[CHANNEL_TEAMS],         "",    check_host),
	LIST("hosts_discord",       hosts[CHANNEL_DISCORD],       "",    check_host),
	LIST("hosts_google_chat",   hosts[CHANNEL_GOOGLE_CHAT],   "",    check_host),
	TEXT("courier_state",       courier_state,       "/var/lib/sigsentry/courier.epoch",     NULL),
	LIST("retry_schedule",      retry_schedule,      RETRY_SCHEDULE, check_wait),
	INT ("connect_timeout_s",   connect_timeout_s,   "5",        1, 60),
	INT ("total_timeout_s",     total_timeout_s,     "15",       1, 300),
	INT ("poll_ms",             poll_ms,             "20",       1, 60000),
	INT ("max_flights",         max_flights,         "1000",     1, 10000),
	INT ("lease_s",             lease_s,             "60",       1, 3600),
	INT ("drain_s",             drain_s,             "20",       0, 600),
	INT ("disable_after_s",     disable_after_s,     "432000",   0, 31536000),
	INT ("history_s",           history_s,           "7776000",  86400, 315360000),
	TEXT("smtp_url",            smtp_url,            "",                                     check_relay),
	TEXT("smtp_user",           smtp_user,           "",                                     NULL),
	TEXT("smtp_password_file",  smtp_password_file,  "",                                     NULL),
	TEXT("mail_from",           mail_from,           "",                                     check_address),
	TEXT("mail_envelope_from",  mail_envelope_from,  "",                                     check_address),
	LIST("mail_allow_domains",  mail_allow_domains,           "",    check_host),
	INT ("mail_daily_cap",      mail_daily_cap,      "1000",     0, 1000000000),
	TEXT("operator_mail",       operator_mail,       "",                                     check_address),
};
/* clang-format on */

/* Turn the lists' texts into what the checks want. */
static enum err
derive_policy(struct settings *s)
{
	size_t i;

	if ((s->egress_nets = calloc(s->egress_allow.nitems + 1, sizeof(*s->egress_nets))) == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < s->egress_allow.nitems; i++) {
		if (address_net_parse(s->egress_allow.items[i], &s->egress_nets[i]) != ERR_OK)
			return (ERR_INVALID);
	}
	s->policy.egress_allow = s->egress_nets;
	s->policy.negress_allow = s->egress_allow.nitems;
	for (i = 0; i < CHANNEL__MAX; i++) {
		s->policy.hosts[i] = s->hosts[i].items;
		s->policy.nhosts[i] = s->hosts[i].nitems;
	}
	return (ERR_OK);
}

static enum err
derive_egress(struct settings *s)
{
	struct conf_list pins = s->egress_connect_to;
	struct slice proxy = slice_of(s->egress_proxy), relay = slice_of(s->smtp_url);
	size_t i;

	if ((s->egress_pins = calloc(pins.nitems + 1, sizeof(*s->egress_pins))) == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < pins.nitems; i++) {
		if (egress_pin_parse(pins.items[i], &s->egress_pins[i]) != ERR_OK)
			return (ERR_INVALID);
	}
	s->egress = (struct egress){
	    s->egress_nets, s->egress_allow.nitems, s->egress_pins, s->egress_connect_to.nitems};
	if (proxy.len > 0 &&
	    egress_server_parse(proxy, "http", PROXY_PORT, PROXY_PORT, &s->proxy) != ERR_OK)
		return (ERR_INVALID);
	if (relay.len > 0 &&
	    egress_server_parse(relay, "smtp", SMTP_PORT, SMTPS_PORT, &s->relay) != ERR_OK)
		return (ERR_INVALID);
	if (s->mail_envelope_from[0] == '\0')
		s->mail_envelope_from = s->mail_from;
	return (ERR_OK);
}

static enum err
derive_schedule(struct settings *s)
{
	uint64_t seconds;
	size_t i;

	s->nretries = s->retry_schedule.nitems;
	if ((s->retry_s = calloc(s->nretries + 1, sizeof(*s->retry_s))) == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < s->nretries; i++) {
		if (text_u64(s->retry_schedule.items[i], RETRY_MAX_S, &seconds) != ERR_OK)
			return (ERR_INVALID);
		s->retry_s[i] = (int64_t)seconds;
	}
	return (ERR_OK);
}

/* What no key can see on its own. */
static enum err
check_together(const struct settings *s, struct buf *why)
{
	if (s->connect_timeout_s > s->total_timeout_s)
		buf_printf(why, "connect_timeout_s must not be more than total_timeout_s, of which "
				"it is a part");
	else if (s->smtp_url[0] != '\0' && s->mail_from[0] == '\0')
		buf_printf(why, "smtp_url needs mail_from, the address that mail comes from");
	else if ((s->smtp_user[0] == '\0') != (s->smtp_password_file[0] == '\0'))
		buf_printf(why, "smtp_user and smtp_password_file go together: set both or none");
	else
		return (ERR_OK);
	return (ERR_INVALID);
}

static enum err
derive(struct settings *s, struct buf *why)
{
	enum err e;

	if ((e = check_together(s, why)) != ERR_OK)
		return (e);
	if ((e = derive_policy(s)) != ERR_OK || (e = derive_egress(s)) != ERR_OK ||
	    (e = derive_schedule(s)) != ERR_OK)
		buf_printf(
		    why, e == ERR_NOMEM ? "no memory" : "the settings contradict themselves");
	return (e);
}

const struct settings *
settings_load(const char *path, const char *const overrides[], size_t noverrides, struct buf *why)
{
	struct settings_file *f;
	enum err e;
	size_t i;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return (NULL);
	if ((f->conf = conf_new(keys, sizeof(keys) / sizeof(keys[0]), &f->s)) == NULL) {
		buf_printf(why, "no memory");
		free(f);
		return (NULL);
	}
	e = conf_load(f->conf, path, why);
	for (i = 0; i < noverrides && e == ERR_OK; i++) {
		if ((e = conf_set(f->conf, overrides[i], why)) != ERR_OK)
			buf_printf(why, " (in -o %s)", overrides[i]);
	}
	if (e == ERR_OK)
		e = derive(&f->s, why);
	if (e == ERR_OK)
		return (&f->s);
	settings_free(&f->s);
	return (NULL);
}

void
settings_free(const struct settings *s)
{
	struct settings_file *f = (struct settings_file *)(uintptr_t)s;

	if (f == NULL)
		return;
	free(f->s.egress_nets);
	free(f->s.egress_pins);
	free(f->s.retry_s);
	conf_free(f->conf);
	free(f);
}

bool
settings_mail_is_allowed(const struct settings *s, struct slice address)
{
	struct slice domain = address, local, allowed;
	size_t i;

	(void)slice_split(&domain, '@', &local);
	for (i = 0; i < s->mail_allow_domains.nitems; i++) {
		allowed = s->mail_allow_domains.items[i];
		if (allowed.ptr[0] == '.' ? slice_ends_nocase(domain, allowed)
					  : slice_eq_nocase(domain, allowed))
			return (true);
	}
	return (s->mail_allow_domains.nitems == 0);
}
