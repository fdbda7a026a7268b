#ifndef DOMAIN_SETTINGS_H
#define DOMAIN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "domain/channel.h"
#include "domain/credentials.h"
#include "domain/egress.h"

/* Where the programs look for their file when -c does not say. */
#define SETTINGS_PATH "/etc/sigsentry/sigsentry.conf"

/** A key that is on or off. */
enum settings_yes { SETTINGS_NO, SETTINGS_YES, SETTINGS_YES__MAX };

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
	int64_t ready_oldest_due_s;  /* 0: no limit */
	const char *keyring_public;  /* path */
	const char *keyring_private; /* path */
	int log_level;               /* enum log_level */
	int auto_migrate;            /* enum settings_yes */
	struct conf_list egress_allow;
	struct conf_list egress_connect_to;
	const char *egress_ca_file;           /* path */
	const char *egress_proxy;             /* "": none */
	struct conf_list hosts[CHANNEL__MAX]; /* webhook and email: always empty */
	/* The courier. */
	const char *courier_state; /* path; "": none */
	struct conf_list retry_schedule;
	int64_t connect_timeout_s, total_timeout_s;
	int64_t poll_ms;
	int64_t max_flights;
	int64_t lease_s;
	int64_t drain_s;
	int64_t disable_after_s; /* 0: never */
	int64_t history_s;
	/* Mail. */
	const char *smtp_url; /* "": there is no relay */
	const char *smtp_user;
	const char *smtp_password_file;      /* path; "" exactly where smtp_user is */
	const char *mail_from;               /* an address; set where smtp_url is */
	const char *mail_envelope_from;      /* an address; mail_from where the file has none */
	const char *operator_mail;           /* an address; "": nobody */
	struct conf_list mail_allow_domains; /* empty: all */
	int64_t mail_daily_cap;              /* messages of a tenant; 0: no cap */
	/* Made of the above by settings_load(). */
	struct address_net *egress_nets;
	struct credentials_policy policy;
	struct egress_pin *egress_pins;
	struct egress egress;
	struct egress_server proxy; /* port 0: none */
	struct egress_server relay; /* port 0: none */
	int64_t *retry_s;           /* the waits behind the first, second, … attempt */
	size_t nretries;
};

/**
 * settings_load(path, overrides, noverrides, why):
 * Read ${path}, then the "key=value" texts of ${overrides} (-o), into a new struct, given back by
 * settings_free().  NULL: ${why} says what is wrong, with file and line.
 */
const struct settings *settings_load(
    const char *path, const char *const overrides[], size_t noverrides, struct buf *why) MUST_CHECK;
void settings_free(const struct settings *s);

/**
 * settings_mail_is_allowed(s, address):
 * May mail go to ${address}: is its domain one of mail_allow_domains, where there are any?
 */
bool settings_mail_is_allowed(const struct settings *s, struct slice address);

#endif
