#ifndef DOMAIN_SETTINGS_H
#define DOMAIN_SETTINGS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "domain/channel.h"
#include "domain/credentials.h"

/* Where the programs look for their file when -c does not say. */
#define SETTINGS_PATH "/etc/sigsentry/sigsentry.conf"

/** All that sigsentry.conf(5) can say; one struct for every program, since it is one file. */
struct settings {
	const char *database;   /* libpq connection string */
	const char *api_socket; /* path */
	const char *api_socket_group;
	int64_t api_workers;
	int64_t api_backlog;
	int64_t request_deadline_ms;
	int64_t lock_timeout_ms;
	int64_t seal_context_s;
	const char *keyring_public;  /* path */
	const char *keyring_private; /* path */
	int log_level;               /* enum log_level */
	struct conf_list egress_allow;
	struct conf_list hosts[CHANNEL__MAX]; /* webhook and email: always empty */
	/* Made of the lists above by settings_load(). */
	struct address_net *egress_nets;
	struct credentials_policy policy;
};

/**
 * settings_load(path, overrides, noverrides, why):
 * Read ${path}, then the "key=value" texts of ${overrides} (-o), into a new struct, given back by
 * settings_free().  NULL: ${why} says what is wrong, with file and line.
 */
const struct settings *settings_load(
    const char *path, const char *const overrides[], size_t noverrides, struct buf *why) MUST_CHECK;
void settings_free(const struct settings *s);

#endif
