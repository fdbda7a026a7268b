/* Whatever runs out, memory or a disk: the result says so, nothing is lost by the way, and the next
 * try is whole. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/epochfile.h"
#include "adapters/keyfile.h"
#include "base/conf.h"
#include "base/mem.h"
#include "base/url.h"
#include "domain/channel_edit.h"
#include "domain/excerpt.h"
#include "domain/permit.h"
#include "domain/seal.h"
#include "domain/settings.h"
#include "events.h"
#include "scarce.h"

#define CALLS_MAX 5000 /* of one case; they are some hundred */

static char folder[] = "/tmp/test_scarce.XXXXXX";
static char conf_path[128], ring_path[128], epoch_path[128];
static const struct credentials_policy policy;
static struct keyring *ring; /* of one key */

/* What is tried: each does all of a job and gives back what it made.  ${ok} is set where it was
 * done right. */

static enum err
try_arena(void)
{
	struct arena *a = arena_new();
	enum err rc = ERR_NOMEM;
	char *big;

	if (a == NULL)
		return (ERR_NOMEM);
	if ((big = arena_alloc(a, 20000)) != NULL && arena_dup(a, slice_make(big, 9000)) != NULL &&
	    arena_printf(a, "%0*d", 9000, 7) != NULL)
		rc = ERR_OK;
	arena_free(a);
	return (rc);
}

static enum err
try_json(void)
{
	static const char text[] = "{\"a\":[1,2.5,-3e2,true,null,\"\\u00e9\\n\"],\"b\":{\"c\":"
				   "\"0123456789012345678901234567890123456789\"},\"d\":[]}";
	struct json_fault fault;
	struct json *root = NULL;
	struct buf out;
	enum err rc;

	if ((rc = json_parse(slice_of(text), &root, &fault)) != ERR_OK)
		return (rc);
	buf_init(&out, 4096);
	json_write(&out, root);
	rc = buf_ok(&out) ? ERR_OK : ERR_NOMEM;
	if (rc == ERR_OK)
		CHECK("json", json_len(json_get(root, "a")) == 6 && out.len > 80);
	buf_clear(&out);
	json_free(root);
	return (rc);
}

static enum err
try_url(void)
{
	struct arena *a;
	enum url_fault fault = URL__MAX;
	struct url url;
	enum err rc;

	if ((rc = url_parse(slice_of("https://A.example.com:8443/x%20y?z=1"), &url, &fault)) !=
	    ERR_OK)
		return (rc);
	CHECK("url", strcmp(url.host, "a.example.com") == 0 && url.port == 8443);
	if ((a = arena_new()) == NULL)
		return (ERR_NOMEM);
	rc = url_unescape(a, url.path).ptr == NULL ? ERR_NOMEM : ERR_OK;
	arena_free(a);
	return (rc);
}

/* Judge one body: a create, or with ${current} a change.  ${nissues} is what a whole judgement
 * comes to. */
static enum err
judge(const char *text, const struct channel_current *current, size_t nissues)
{
	struct arena *a = arena_new();
	struct json_fault fault;
	struct json *body = NULL;
	struct issues issues;
	struct channel_new made;
	struct channel_edit edit;
	struct buf out;
	enum err rc;

	if (a == NULL)
		return (ERR_NOMEM);
	if ((rc = json_parse(slice_of(text), &body, &fault)) != ERR_OK) {
		arena_free(a);
		return (rc);
	}
	issues_init(&issues, a);
	if (current != NULL)
		channel_edit_parse(body, current, true, &policy, &issues, &edit);
	else
		channel_new_parse(body, &policy, &issues, &made);
	buf_init(&out, 65536);
	issues_json(&issues, &out);
	issues_log_words(&issues, &out);
	rc = issues.failed || !buf_ok(&out) ? ERR_NOMEM : ERR_OK;
	if (rc == ERR_OK && issues.count != nissues)
		fail_msg("%s: %zu issues: %s", text, issues.count, buf_str(&out));
	if (current != NULL)
		channel_edit_clear(&edit);
	else
		channel_new_clear(&made);
	buf_clear(&out);
	json_free(body);
	arena_free(a);
	return (rc);
}

static enum err
try_create_right(void)
{
	static const char *const bodies[] = {
	    "{\"type\":\"slack\",\"name\":\"n\",\"severityThreshold\":\"high\",\"credentials\":{"
	    "\"webhookUrl\":\"https://hooks.slack.com/services/T/B/x\"}}",
	    "{\"type\":\"webhook\",\"name\":\"n\",\"severityThreshold\":\"low\",\"credentials\":{"
	    "\"url\":\"https://example.com/x\",\"authHeader\":\"Bearer "
	    "x\",\"hmacSecret\":\"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\"}}",
	    "{\"type\":\"email\",\"name\":\"n\",\"severityThreshold\":\"low\",\"credentials\":{"
	    "\"recipients\":[\"a@example.com\",\"b@example.com\"]}}",
	    "{\"type\":\"email\",\"name\":\"n\",\"severityThreshold\":\"low\",\"credentials\":{"
	    "\"recipients\":\"a@example.com, b@example.com\"}}",
	};
	size_t i;
	enum err e;

	for (i = 0; i < NELEMS(bodies); i++) {
		if ((e = judge(bodies[i], NULL, 0)) != ERR_OK)
			return (e);
	}
	return (ERR_OK);
}

static enum err
try_create_wrong(void)
{
	return (judge(
	    "{\"type\":\"webhook\",\"nmae\":\"n\",\"id\":\"x\",\"severityThreshold\":\"hgih\","
	    "\"credentials\":{\"url\":\"http://u:p@localhost/\",\"authHeader\":\"\\n\",\"x\":1}}",
	    NULL, 7));
}

static enum err
try_change(void)
{
	struct channel_current current = {.type = CHANNEL_WEBHOOK,
	    .shown = slice_of(
		"{\"id\":\"x\",\"name\":\"n\",\"createdAt\":\"t\",\"severityThreshold\":\"low\"}")};
	enum err e;

	channel_current_fields(&current, slice_of("url,hmacSecret"));
	if ((e = judge("{\"id\":\"x\",\"createdAt\":\"t\",\"name\":\"m\",\"credentials\":{"
		       "\"hmacSecret\":\"0123456789012345678901234\"},\"hmacOverlapSeconds\":5}",
		 &current, 0)) != ERR_OK)
		return (e);
	return (judge(
	    "{\"id\":\"y\",\"name\":1,\"credentials\":{\"authHeader\":7},\"isActive\":\"yes\"}",
	    &current, 4));
}

static enum err
try_event(void)
{
	struct event *e = NULL;
	enum err rc = event_parse(slice_of(PAYLOAD_ORDINARY), &known_sample, &e);

	if (rc == ERR_OK)
		CHECK("event", e->nservices > 0 && e->summary.len > 0);
	event_free(e);
	return (rc);
}

static enum err
try_excerpt(void)
{
	const struct slice secrets[] = {
	    slice_of("https://h.example.com/seg/secret-token?key=abcdefghijkl"),
	    slice_of("Basic dXNlcjpwYXNzd29yZC1sb25n"), slice_of("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3")};
	char out[EXCERPT_MAX + 1];
	enum err rc;

	memset(out, 'x', sizeof(out));
	rc = excerpt_make(slice_of("no: secret-token, password-long and dXNlcjpwYXNzd29yZC1sb25n"),
	    secrets, NELEMS(secrets), out);
	if (rc == ERR_OK)
		CHECK("excerpt", strstr(out, "secret-token") == NULL && strstr(out, "no: ") == out);
	else
		CHECK("excerpt", out[0] == '\0');
	return (rc);
}

static enum err
try_settings(void)
{
	static const char *const overrides[] = {"api_workers=3"};
	const struct settings *s;
	struct buf why;
	enum err rc = ERR_OK;

	buf_init(&why, 2048);
	if ((s = settings_load(conf_path, overrides, 1, &why)) == NULL)
		rc = ERR_NOMEM; /* the word for it is the caller's */
	else
		CHECK(
		    "settings", s->api_workers == 3 && s->egress.npins == 1 && s->relay.port != 0);
	settings_free(s);
	buf_clear(&why);
	return (rc);
}

static enum err
try_permits(void)
{
	struct permit_stock *s = permit_stock_new();

	permit_stock_free(s);
	return (s == NULL ? ERR_NOMEM : ERR_OK);
}

static enum err
try_keyring(void)
{
	struct keyring *made = keyring_new(), *read = keyring_new();
	struct buf text;
	size_t line;
	enum err rc = ERR_NOMEM;

	buf_init(&text, 65536);
	if (made != NULL && read != NULL && (rc = keyring_add(made, 5)) == ERR_OK) {
		keyring_print(made, true, &text);
		rc = !buf_ok(&text) ? ERR_NOMEM : keyring_parse(buf_slice(&text), read, &line);
	}
	buf_clear(&text);
	keyring_free(made);
	keyring_free(read);
	return (rc);
}

static enum err
try_seal(void)
{
	static const struct uuid channel = {{1, 2, 3}};
	static const struct seal_where where = {&channel, "slack", "webhookUrl"};
	struct seal_sender *sender = seal_sender_new(keyring_active(ring), 60000);
	struct seal_ring *seals = seal_ring_new(ring);
	uint8_t plain[64];
	struct buf box;
	size_t len = 0;
	enum err rc = ERR_NOMEM;

	buf_init(&box, 4096);
	if (sender != NULL && seals != NULL &&
	    (rc = seal_close(sender, 1, &where, slice_of("secret"), &box)) == ERR_OK &&
	    (rc = seal_open(seals, &where, buf_slice(&box), plain, sizeof(plain), &len)) == ERR_OK)
		CHECK("seal", len == 6 && memcmp(plain, "secret", 6) == 0);
	buf_clear(&box);
	seal_ring_free(seals);
	seal_sender_free(sender);
	return (rc);
}

/* The file stays a whole keyring, the old or the new one. */
static enum err
try_keyfile(void)
{
	struct keyring *read = keyring_new();
	enum err rc;

	if (read == NULL)
		return (ERR_NOMEM);
	if ((rc = keyfile_save(ring_path, ring, true, true)) == ERR_OK)
		rc = keyfile_load(ring_path, read);
	if (rc == ERR_OK)
		CHECK("keyfile", read->nkeys == ring->nkeys);
	keyring_free(read);
	return (rc);
}

static enum err
try_epochfile(void)
{
	struct epoch e, read;
	enum err rc;

	if (epoch_set(&e, slice_of("0192a000-0000-7000-8000-000000000001"),
		slice_of("2026-01-01T00:00:00.000Z")) != ERR_OK)
		fail_msg("no epoch");
	if ((rc = epochfile_save(epoch_path, &e)) == ERR_OK)
		rc = epochfile_load(epoch_path, &read);
	return (rc);
}

static const struct {
	const char *name;
	enum err (*try)(void);
} cases[] = {
    {"arena", try_arena},
    {"json", try_json},
    {"url", try_url},
    {"a create that is right", try_create_right},
    {"a create that is wrong", try_create_wrong},
    {"a change", try_change},
    {"event", try_event},
    {"excerpt", try_excerpt},
    {"settings", try_settings},
    {"permits", try_permits},
    {"keyring", try_keyring},
    {"seal", try_seal},
    {"keyfile", try_keyfile},
    {"epochfile", try_epochfile},
};

/* Every allocation of every case fails once, alone or with all behind it. */
static void
memory_runs_out(void **state)
{
	char row[128];
	long n, live;
	size_t i;
	int for_good;
	bool hit;
	enum err rc;

	(void)state;
	for (i = 0; i < NELEMS(cases); i++) {
		CHECK(cases[i].name,
		    cases[i].try() == ERR_OK); /* what libraries keep for good is there now */
		for (for_good = 0; for_good < 2; for_good++) {
			for (n = 0, hit = true; hit && n < CALLS_MAX; n++) {
				snprintf(row, sizeof(row), "%s: allocation %ld%s", cases[i].name, n,
				    for_good ? " and on" : "");
				live = scarce_live();
				scarce_memory(n, for_good != 0);
				rc = cases[i].try();
				hit = scarce_end();
				if (rc != ERR_OK && rc != ERR_NOMEM && rc != ERR_IO)
					fail_msg("%s: %s", row, err_word(rc));
				CHECK(row, hit || rc == ERR_OK);
				CHECK(row, scarce_live() == live);
			}
			CHECK(cases[i].name, n < CALLS_MAX);
		}
		CHECK(cases[i].name, cases[i].try() == ERR_OK);
	}
}

/* Every call on a file is short, cut by a signal, or fails, in turn. */
static void
files_fail(void **state)
{
	static const char *const hows[SCARCE__MAX] = {"short", "EINTR", "ENOSPC", "EIO"};
	char row[128];
	size_t i, how;
	long n, live;
	bool hit;
	enum err rc;

	(void)state;
	for (i = 0; i < NELEMS(cases); i++) {
		for (how = 0; how < SCARCE__MAX; how++) {
			for (n = 0, hit = true; hit && n < CALLS_MAX; n++) {
				snprintf(row, sizeof(row), "%s: call %ld, %s", cases[i].name, n,
				    hows[how]);
				live = scarce_live();
				scarce_files(n, (enum scarce_how)how);
				rc = cases[i].try();
				hit = scarce_end();
				/* short and cut ones are taken up again */
				CHECK(
				    row, rc == ERR_OK || how == SCARCE_ENOSPC || how == SCARCE_EIO);
				CHECK(row, hit || rc == ERR_OK);
				CHECK(row, scarce_live() == live);
				CHECK(row, cases[i].try() == ERR_OK);
			}
		}
	}
}

/* What a failure leaves behind: nothing but the files themselves. */
static void
nothing_is_left(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "test $(ls -A %s | wc -l) -eq 3", folder);
	assert_int_equal(system(command), 0);
}

static int
setup(void **state)
{
	FILE *conf;

	(void)state;
	if (mkdtemp(folder) == NULL || (ring = keyring_new()) == NULL ||
	    keyring_add(ring, 1) != ERR_OK)
		return (-1);
	snprintf(conf_path, sizeof(conf_path), "%s/conf", folder);
	snprintf(ring_path, sizeof(ring_path), "%s/ring", folder);
	snprintf(epoch_path, sizeof(epoch_path), "%s/epoch", folder);
	if ((conf = fopen(conf_path, "w")) == NULL)
		return (-1);
	fputs("egress_connect_to = a.example.com:443:127.0.0.1:1\negress_allow = 127.0.0.0/8 ::1\n"
	      "retry_schedule = 1 2 3\nsmtp_url = smtp://relay.example.com/\nmail_from = "
	      "a@example.com\n"
	      "mail_allow_domains = example.com\n",
	    conf);
	return (fclose(conf));
}

static int
teardown(void **state)
{
	char command[64];

	(void)state;
	keyring_free(ring);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return (system(command));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_runs_out),
	    cmocka_unit_test(files_fail),
	    cmocka_unit_test(nothing_is_left),
	};

	return (cmocka_run_group_tests(tests, setup, teardown));
}
