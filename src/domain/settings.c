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
#define LIST(k, field, chk)                                     \
	{                                                       \
		k, CONF_LIST, AT(field), "", 0, 0, NULL, 0, chk \
	}

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
	TEXT("keyring_public",      keyring_public,      "/etc/sigsentry/keyring.public",        check_set),
	TEXT("keyring_private",     keyring_private,     "/etc/sigsentry/keyring.private",       check_set),
	{"log_level", CONF_WORD, AT(log_level), "info", 0, 0, log_level_words, LOG_LEVEL__MAX, NULL},
	LIST("egress_allow",        egress_allow,                      check_net),
	LIST("hosts_slack",         hosts[CHANNEL_SLACK],              check_host),
	LIST("hosts_teams",         hosts[CHANNEL_TEAMS],              check_host),
	LIST("hosts_discord",       hosts[CHANNEL_DISCORD],            check_host),
	LIST("hosts_google_chat",   hosts[CHANNEL_GOOGLE_CHAT],        check_host),
};
/* clang-format on */

/* Turn the lists' texts into what the checks want. */
static enum err
derive(struct settings *s)
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
		e = derive(&f->s);
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
	conf_free(f->conf);
	free(f);
}
