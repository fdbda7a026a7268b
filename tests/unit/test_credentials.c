/* Credentials of the six types: contract §3, every rule and its edges; what is kept, and the hint.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "base/url.h"
#include "domain/channel.h"

#define L10 "abcdefghij"
#define L60 L10 L10 L10 L10 L10 L10
#define L63 L60 "abc"

#define SLACK  "https://hooks.slack.com/services/T/B/x"
#define GOOGLE "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t"

static const struct credentials_policy closed; /* nothing opened, nothing added */

/* All that one object comes to. */
struct result {
	struct arena *arena;
	struct json *object;
	struct issues issues;
	struct credentials out;
	char found[1024];    /* "path:code path:code" */
	char messages[4096]; /* one a line */
};

static void
result_clear(struct result *r)
{
	credentials_clear(&r->out);
	json_free(r->object);
	arena_free(r->arena);
}

static void
judge(const char *row, enum channel_type type, const char *text,
    const struct credentials_policy *policy, struct result *r)
{
	struct json_fault fault;
	const struct issue *i;

	memset(r, 0, sizeof(*r));
	memset(&r->out, 0xee, sizeof(r->out)); /* the parser initialises it in every case */
	CHECK(row, (r->arena = arena_new()) != NULL);
	issues_init(&r->issues, r->arena);
	CHECK(row, json_parse(slice_of(text), &r->object, &fault) == ERR_OK);
	credentials_parse(type, r->object, policy, &r->issues, &r->out);
	CHECK(row, !r->issues.failed);
	for (i = r->issues.first; i != NULL; i = i->next) {
		snprintf(r->found + strlen(r->found), sizeof(r->found) - strlen(r->found),
		    "%s%s:%s", i == r->issues.first ? "" : " ", i->path, issue_code_words[i->code]);
		snprintf(r->messages + strlen(r->messages),
		    sizeof(r->messages) - strlen(r->messages), "%s\n", i->message);
	}
}

static void
want(const char *row, const struct result *r, const char *found, const char *message)
{
	if (strcmp(r->found, found) != 0)
		fail_msg("%s: found \"%s\", not \"%s\"", row, r->found, found);
	if (message != NULL && strstr(r->messages, message) == NULL)
		fail_msg("%s: no \"%s\" in \"%s\"", row, message, r->messages);
}

/* The issues that one code or two ("format format") at ${path} make. */
static const char *
at_path(const char *path, const char *codes, char out[static 256])
{
	struct slice rest = slice_of(codes), code;

	out[0] = '\0';
	while (*codes != '\0' && slice_split(&rest, ' ', &code))
		snprintf(out + strlen(out), 256 - strlen(out), "%s%s:%.*s",
		    out[0] == '\0' ? "" : " ", path, (int)code.len, code.ptr);
	return (out);
}

/* Judge ${value} as the only field of ${type}'s required name; good ones are kept as they stand. */
static void
expect_url(enum channel_type type, const char *url, const char *codes, const char *message,
    const char *destination, const struct credentials_policy *policy)
{
	const char *name = channel_types[type].fields[0].name;
	char path[64], found[256];
	struct result r;
	struct buf body;

	buf_init(&body, 8192);
	buf_printf(&body, "{\"%s\":", name);
	json_put(&body, slice_of(url));
	buf_addc(&body, '}');
	judge(url, type, buf_str(&body), policy, &r);
	snprintf(path, sizeof(path), "credentials.%s", name);
	want(url, &r, at_path(path, codes, found), message);
	if (*codes == '\0') {
		CHECK(url, r.out.nvalues == 1);
		CHECK(url, strcmp(r.out.values[0].name, name) == 0);
		CHECK(url, slice_eq(buf_slice(&r.out.values[0].text), slice_of(url)));
		CHECK(url, destination != NULL && strcmp(r.out.destination, destination) == 0);
	}
	result_clear(&r);
	buf_clear(&body);
}

/* clang-format off */
static void
test_platform_urls(void **state)
{
	static const struct {
		enum channel_type type;
		const char *url, *codes, *also; /* the destination of a good one, a part of the message of a bad one */
	} rows[] = {
		/* Slack */
		{CHANNEL_SLACK, "https://hooks.slack.com/services/T.../B.../...", "", "hooks.slack.com"},
		{CHANNEL_SLACK, "https://hooks.slack-gov.com/services/T/B/x", "", "hooks.slack-gov.com"},
		{CHANNEL_SLACK, "https://hooks.slack.com:443/services/T/B/x", "", "hooks.slack.com"},
		{CHANNEL_SLACK, "HTTPS://Hooks.SLACK.com/services/T/B/x", "", "hooks.slack.com"},
		{CHANNEL_SLACK, "https://hooks.slack.com./services/T/B/x", "", "hooks.slack.com"},
		{CHANNEL_SLACK, "https://hooks.slack.com/services/T/B/x?y=1", "", "hooks.slack.com"},
		{CHANNEL_SLACK, "https://hooks.slack.com:8443/services/T/B/x", "format", "no port but 443"},
		{CHANNEL_SLACK, "https://hooks.slack.com:80/", "format format", "no port but 443"},
		{CHANNEL_SLACK, "https://hooks.slack.com/workflows/T/A/1/x", "format", "Incoming Webhooks"},
		{CHANNEL_SLACK, "https://hooks.slack.com/triggers/T/1/x", "format", "/services/"},
		{CHANNEL_SLACK, "https://hooks.slack-gov.com/triggers/T/1/x", "format", "Workflow Builder"},
		{CHANNEL_SLACK, "https://hooks.slack.com", "format", "those have /services/ behind the host"},
		{CHANNEL_SLACK, "https://hooks.slack.com/services", "format", "/services/"},
		{CHANNEL_SLACK, "https://hooks.slack.com/Services/T/B/x", "format", "/services/"},
		{CHANNEL_SLACK, "https://hooks.slack.com/servicesx/T/B/x", "format", "/services/"},
		{CHANNEL_SLACK, "https://hooks.slack.com/x/services/T/B/x", "format", "/services/"},
		{CHANNEL_SLACK, "https://hooks.slack.com?/services/T/B/x", "format", "/services/"},
		{CHANNEL_SLACK, "https://hooks.slack.com.evil.com/services/T/B/x", "host",
		    "the host must be hooks.slack.com or hooks.slack-gov.com"},
		{CHANNEL_SLACK, "https://evilhooks.slack.com/services/T/B/x", "host", "of Slack"},
		{CHANNEL_SLACK, "https://evil.hooks.slack.com/services/T/B/x", "host", NULL},
		{CHANNEL_SLACK, "https://slack.com/services/T/B/x", "host", NULL},
		{CHANNEL_SLACK, "https://hooks-slack.com/services/T/B/x", "host", NULL},
		{CHANNEL_SLACK, "https://evil.com/hooks.slack.com/services/T/B/x", "host", NULL},
		{CHANNEL_SLACK, "https://evil.com?hooks.slack.com/services/", "host", NULL},
		{CHANNEL_SLACK, "https://127.0.0.1/services/T/B/x", "host", NULL},
		{CHANNEL_SLACK, "https://localhost/services/T/B/x", "host", NULL},
		{CHANNEL_SLACK, "https://discord.com/api/webhooks/1/a", "host", NULL},
		{CHANNEL_SLACK, "http://hooks.slack.com/services/T/B/x", "format", "https://"},
		{CHANNEL_SLACK, "hooks.slack.com/services/T/B/x", "format", "https://"},
		{CHANNEL_SLACK, "https://a:b@hooks.slack.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "https://hooks.slack.com@evil.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "https://@hooks.slack.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "https://evil.com#@hooks.slack.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "https://evil.com\\@hooks.slack.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "https://hooks.slack.com\\.evil.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, SLACK "#frag", "format", NULL},
		{CHANNEL_SLACK, SLACK "#", "format", NULL},
		{CHANNEL_SLACK, SLACK " ", "format", NULL},
		{CHANNEL_SLACK, " " SLACK, "format", NULL},
		{CHANNEL_SLACK, SLACK "\n", "format", NULL},
		{CHANNEL_SLACK, SLACK "\xc3\xa9", "format", NULL},
		{CHANNEL_SLACK, "https://hooks.sl\xc3\xa4" "ck.com/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "", "length", NULL},
		/* Teams: connectors, workflows, Logic Apps; any path */
		{CHANNEL_TEAMS, "https://outlook.office.com/webhook/...", "", "outlook.office.com"},
		{CHANNEL_TEAMS, "https://outlook.office365.com/webhook/a", "", "outlook.office365.com"},
		{CHANNEL_TEAMS, "https://contoso.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", "",
		    "contoso.webhook.office.com"},
		{CHANNEL_TEAMS, "https://default0a.1f.environment.api.powerplatform.com:443/powerautomate/"
		    "automations/direct/workflows/0/triggers/manual/paths/invoke?api-version=1&sp=%2Ft&sig=x", "",
		    "default0a.1f.environment.api.powerplatform.com"},
		{CHANNEL_TEAMS, "https://prod-01.westeurope.logic.azure.com:443/workflows/0?sig=x", "",
		    "prod-01.westeurope.logic.azure.com"},
		{CHANNEL_TEAMS, "https://outlook.office.com", "", "outlook.office.com"},
		{CHANNEL_TEAMS, "https://webhook.office.com/webhookb2/a", "host",
		    "outlook.office.com, outlook.office365.com, *.webhook.office.com, "
		    "*.environment.api.powerplatform.com or *.logic.azure.com"},
		{CHANNEL_TEAMS, "https://xwebhook.office.com/webhookb2/a", "host", "of Microsoft Teams"},
		{CHANNEL_TEAMS, "https://a.webhook.office.com.evil.com/", "host", NULL},
		{CHANNEL_TEAMS, "https://a.xwebhook.office.com/", "host", NULL},
		{CHANNEL_TEAMS, "https://.webhook.office.com/", "format", NULL},
		{CHANNEL_TEAMS, "https://a..webhook.office.com/", "format", NULL},
		{CHANNEL_TEAMS, "https://logic.azure.com/workflows/0", "host", NULL},
		{CHANNEL_TEAMS, "https://evillogic.azure.com/workflows/0", "host", NULL},
		{CHANNEL_TEAMS, "https://environment.api.powerplatform.com/", "host", NULL},
		{CHANNEL_TEAMS, "https://a.outlook.office.com/webhook/a", "host", NULL},
		{CHANNEL_TEAMS, "https://prod-01.westeurope.logic.azure.com:444/workflows/0", "format", "443"},
		{CHANNEL_TEAMS, SLACK, "host", NULL},
		/* Discord: with and without a version */
		{CHANNEL_DISCORD, "https://discord.com/api/webhooks/...", "", "discord.com"},
		{CHANNEL_DISCORD, "https://discord.com/api/v10/webhooks/1/a", "", "discord.com"},
		{CHANNEL_DISCORD, "https://discord.com/api/v6/webhooks/1/a?thread_id=2", "", "discord.com"},
		{CHANNEL_DISCORD, "https://discordapp.com/api/webhooks/1/a", "", "discordapp.com"},
		{CHANNEL_DISCORD, "https://discordapp.com/api/v9/webhooks/1/a", "", "discordapp.com"},
		{CHANNEL_DISCORD, "https://ptb.discord.com/api/webhooks/1/a", "", "ptb.discord.com"},
		{CHANNEL_DISCORD, "https://ptb.discord.com/api/v1/webhooks/1/a", "", "ptb.discord.com"},
		{CHANNEL_DISCORD, "https://canary.discord.com/api/webhooks/1/a", "", "canary.discord.com"},
		{CHANNEL_DISCORD, "https://canary.discord.com/api/v10/webhooks/1/a", "", "canary.discord.com"},
		{CHANNEL_DISCORD, "https://ptb.discordapp.com/api/webhooks/1/a", "", "ptb.discordapp.com"},
		{CHANNEL_DISCORD, "https://ptb.discordapp.com/api/v8/webhooks/1/a", "", "ptb.discordapp.com"},
		{CHANNEL_DISCORD, "https://canary.discordapp.com/api/webhooks/1/a", "", "canary.discordapp.com"},
		{CHANNEL_DISCORD, "https://canary.discordapp.com/api/v8/webhooks/1/a", "", "canary.discordapp.com"},
		{CHANNEL_DISCORD, "https://discord.com/api/v/webhooks/1/a", "format", "/api/webhooks/"},
		{CHANNEL_DISCORD, "https://discord.com/api/vx/webhooks/1/a", "format", NULL},
		{CHANNEL_DISCORD, "https://discord.com/api/v1x/webhooks/1/a", "format", NULL},
		{CHANNEL_DISCORD, "https://discord.com/api/10/webhooks/1/a", "format", NULL},
		{CHANNEL_DISCORD, "https://discord.com/api/*/webhooks/1/a", "format", NULL},
		{CHANNEL_DISCORD, "https://discord.com/api/v10", "format", NULL},
		{CHANNEL_DISCORD, "https://discord.com/webhooks/1/a", "format", NULL},
		{CHANNEL_DISCORD, "https://discord.com/channels/1/2", "format", "copy the whole URL"},
		{CHANNEL_DISCORD, "https://discord.com:444/api/webhooks/1/a", "format", "443"},
		{CHANNEL_DISCORD, "https://www.discord.com/api/webhooks/1/a", "host",
		    "discord.com, discordapp.com, ptb.discord.com, ptb.discordapp.com, canary.discord.com or "
		    "canary.discordapp.com\n"},
		{CHANNEL_DISCORD, "https://evildiscord.com/api/webhooks/1/a", "host", NULL},
		{CHANNEL_DISCORD, "https://discord.com.evil.com/api/webhooks/1/a", "host", NULL},
		/* Google Chat */
		{CHANNEL_GOOGLE_CHAT, "https://chat.googleapis.com/v1/spaces/.../messages?key=...", "",
		    "chat.googleapis.com"},
		{CHANNEL_GOOGLE_CHAT, GOOGLE, "", "chat.googleapis.com"},
		{CHANNEL_GOOGLE_CHAT, "https://chat.googleapis.com/v1/rooms/A", "format", "/v1/spaces/"},
		{CHANNEL_GOOGLE_CHAT, "https://chat.googleapis.com:1/v1/spaces/A", "format", "443"},
		{CHANNEL_GOOGLE_CHAT, "https://chat.google.com/room/A", "host", "must be chat.googleapis.com\n"},
		{CHANNEL_GOOGLE_CHAT, "https://xchat.googleapis.com/v1/spaces/A", "host", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		expect_url(rows[i].type, rows[i].url, rows[i].codes, *rows[i].codes != '\0' ? rows[i].also : NULL,
		    *rows[i].codes == '\0' ? rows[i].also : NULL, &closed);
}

/* What the config adds: any port and path, but nothing that the egress policy refuses. */
static void
test_added_hosts(void **state)
{
	static const struct slice slack[] = {SLICE_LIT("chat.example.com"), SLICE_LIT(".Hooks.example.org"),
	    SLICE_LIT("10.1.2.3"), SLICE_LIT("10.2.2.3"), SLICE_LIT("chat.internal"), SLICE_LIT("discord.com")};
	static const struct {
		enum channel_type type;
		const char *url, *codes, *destination;
	} rows[] = {
		{CHANNEL_SLACK, "https://chat.example.com:8443/hooks/x", "", "chat.example.com"},
		{CHANNEL_SLACK, "https://CHAT.example.com", "", "chat.example.com"},
		{CHANNEL_SLACK, "https://a.hooks.example.org/x", "", "a.hooks.example.org"},
		{CHANNEL_SLACK, "https://a.b.hooks.example.org/x", "", "a.b.hooks.example.org"},
		{CHANNEL_SLACK, "https://discord.com/any", "", "discord.com"},
		{CHANNEL_SLACK, "https://10.1.2.3:9/x", "", "10.1.2.3"},
		{CHANNEL_SLACK, "https://0x0a.0x01.0x203/x", "", "10.1.2.3"},
		{CHANNEL_SLACK, SLACK, "", "hooks.slack.com"},
		{CHANNEL_SLACK, "https://hooks.slack.com:9/services/T/B/x", "format", NULL},
		{CHANNEL_SLACK, "https://10.2.2.3/x", "host", NULL},
		{CHANNEL_SLACK, "https://chat.internal/x", "host", NULL},
		{CHANNEL_SLACK, "https://hooks.example.org/x", "host", NULL},
		{CHANNEL_SLACK, "https://xhooks.example.org/x", "host", NULL},
		{CHANNEL_SLACK, "https://a.chat.example.com/x", "host", NULL},
		{CHANNEL_SLACK, "https://chat.example.com.evil.com/x", "host", NULL},
		{CHANNEL_SLACK, "http://chat.example.com/x", "format", NULL},
		{CHANNEL_TEAMS, "https://chat.example.com/x", "host", NULL}, /* added for Slack alone */
		{CHANNEL_DISCORD, "https://discord.com/any", "format", NULL},
	};
	struct address_net net;
	struct credentials_policy policy = {.egress_allow = &net, .negress_allow = 1};
	size_t i;

	(void)state;
	CHECK("net", address_net_parse(slice_of("10.1.0.0/16"), &net) == ERR_OK);
	policy.hosts[CHANNEL_SLACK] = slack;
	policy.nhosts[CHANNEL_SLACK] = NELEMS(slack);
	for (i = 0; i < NELEMS(rows); i++)
		expect_url(rows[i].type, rows[i].url, rows[i].codes, NULL, rows[i].destination, &policy);
}

static void
test_webhook_urls(void **state)
{
	static const struct {
		const char *url, *codes, *destination;
	} rows[] = {
		{"https://example.com/sigsentry", "", "example.com"},
		{"https://example.com", "", "example.com"},
		{"https://example.com:8443/a?b=c", "", "example.com"},
		{"https://EXAMPLE.com.:65535", "", "example.com"},
		{"https://xn--bcher-kva.example/x", "", "xn--bcher-kva.example"},
		{"https://hooks.slack.com/workflows/a", "", "hooks.slack.com"},
		{"https://localhost.example.com/", "", "localhost.example.com"},
		{"https://8.8.8.8/x", "", "8.8.8.8"},
		{"https://0x08080808/x", "", "8.8.8.8"},
		{"https://[2606:4700::1111]/x", "", "2606:4700::1111"},
		{"https://[2606:4700:0:0:0:0:0:1111]:8443/x", "", "2606:4700::1111"},
		{"https://[::ffff:8.8.8.8]/x", "", NULL},
		{"https://[64:ff9b::8.8.8.8]/x", "", NULL},
		/* names of the inside */
		{"https://localhost/x", "host", NULL}, {"https://LOCALHOST/x", "host", NULL},
		{"https://localhost./x", "host", NULL}, {"https://localhost:8443/x", "host", NULL},
		{"https://a.localhost/x", "host", NULL}, {"https://printer.local/x", "host", NULL},
		{"https://printer.LOCAL./x", "host", NULL}, {"https://db.internal/x", "host", NULL},
		{"https://metadata.google.internal/x", "host", NULL}, {"https://ip6-localhost/x", "host", NULL},
		{"https://ip6-loopback/x", "host", NULL}, {"https://intranet/x", "host", NULL},
		/* IPv4 in every spelling */
		{"https://127.0.0.1/x", "host", NULL}, {"https://127.0.0.1./x", "host", NULL},
		{"https://127.1/x", "host", NULL}, {"https://127.0.1/x", "host", NULL},
		{"https://2130706433/x", "host", NULL}, {"https://0x7f000001/x", "host", NULL},
		{"https://0x7F.1/x", "host", NULL}, {"https://0177.0.0.1/x", "host", NULL},
		{"https://017700000001/x", "host", NULL}, {"https://0x7f.0.0.0x1./x", "host", NULL},
		{"https://0/x", "host", NULL}, {"https://0.0.0.0/x", "host", NULL},
		{"https://10.0.0.1/x", "host", NULL}, {"https://10.1/x", "host", NULL},
		{"https://012.0.0.1/x", "host", NULL}, {"https://192.168.0.1:8443/x", "host", NULL},
		{"https://192.168.257/x", "host", NULL}, {"https://172.16.0.1/x", "host", NULL},
		{"https://169.254.169.254/latest/meta-data", "host", NULL},
		{"https://2852039166/latest", "host", NULL}, {"https://0xa9fea9fe/x", "host", NULL},
		{"https://168.63.129.16/x", "host", NULL}, {"https://100.64.0.1/x", "host", NULL},
		{"https://224.0.0.1/x", "host", NULL}, {"https://255.255.255.255/x", "host", NULL},
		/* IPv6: loopback, inside, mapped, NAT64, 6to4 */
		{"https://[::1]/x", "host", NULL}, {"https://[0:0:0:0:0:0:0:1]:8443/x", "host", NULL},
		{"https://[::]/x", "host", NULL}, {"https://[fe80::1]/x", "host", NULL},
		{"https://[fd00::1]/x", "host", NULL}, {"https://[ff02::1]/x", "host", NULL},
		{"https://[::ffff:127.0.0.1]/x", "host", NULL}, {"https://[::ffff:7f00:1]/x", "host", NULL},
		{"https://[::FFFF:a9fe:a9fe]/x", "host", NULL}, {"https://[::127.0.0.1]/x", "host", NULL},
		{"https://[64:ff9b::10.0.0.1]/x", "host", NULL}, {"https://[2002:7f00:1::1]/x", "host", NULL},
		{"https://[2001:db8::1]/x", "host", NULL}, {"https://[2001::1]/x", "host", NULL},
		/* no URL to send to */
		{"http://example.com/", "format", NULL}, {"ftp://example.com/", "format", NULL},
		{"https:/example.com/", "format", NULL}, {"//example.com/", "format", NULL},
		{"https://", "format", NULL}, {"https:///x", "format", NULL}, {"https://./x", "format", NULL},
		{"https://a:b@example.com/", "format", NULL}, {"https://example.com/#", "format", NULL},
		{"https://example.com:0/", "format", NULL}, {"https://example.com:65536/", "format", NULL},
		{"https://example.com:http/", "format", NULL}, {"https://example.com:-1/", "format", NULL},
		{"https://exa mple.com/", "format", NULL}, {"https://example.com/\t", "format", NULL},
		{"https://example.com\\x", "format", NULL}, {"https://b\xc3\xbc" "cher.example/", "format", NULL},
		{"https://%31%32%37.0.0.1/", "format", NULL}, {"https://%6cocalhost/", "format", NULL},
		{"https://1.2.3.256/", "format", NULL}, {"https://[fe80::1%25eth0]/", "format", NULL},
		{"https://[::1/", "format", NULL}, {"", "length", NULL},
	};
	struct result r;
	char body[128];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		if (*rows[i].codes != '\0' || rows[i].destination != NULL) {
			expect_url(CHANNEL_WEBHOOK, rows[i].url, rows[i].codes, NULL, rows[i].destination,
			    &closed);
			continue;
		}
		snprintf(body, sizeof(body), "{\"url\":\"%s\"}", rows[i].url);
		judge(rows[i].url, CHANNEL_WEBHOOK, body, &closed, &r);
		want(rows[i].url, &r, "", NULL);
		CHECK(rows[i].url, strchr(r.out.destination, ':') != NULL);
		result_clear(&r);
	}
}
/* clang-format on */

/* egress_allow opens literals of its networks, and no names. */
static void
test_opened(void **state)
{
	struct address_net nets[2];
	struct credentials_policy policy = {.egress_allow = nets, .negress_allow = NELEMS(nets)};

	(void)state;
	CHECK("net", address_net_parse(slice_of("127.0.0.0/8"), &nets[0]) == ERR_OK);
	CHECK("net", address_net_parse(slice_of("[fd00::]/8"), &nets[1]) == ERR_OK);
	expect_url(CHANNEL_WEBHOOK, "https://127.0.0.1:1/x", "", NULL, "127.0.0.1", &policy);
	expect_url(CHANNEL_WEBHOOK, "https://2130706433/x", "", NULL, "127.0.0.1", &policy);
	expect_url(CHANNEL_WEBHOOK, "https://[fd00::1]/x", "", NULL, "fd00::1", &policy);
	expect_url(CHANNEL_WEBHOOK, "https://10.0.0.1/x", "host", "private", NULL, &policy);
	expect_url(CHANNEL_WEBHOOK, "https://localhost/x", "host", "localhost", NULL, &policy);
	expect_url(CHANNEL_SLACK, "https://127.0.0.1/services/x", "host", NULL, NULL, &policy);
}

/* 2,048 bytes are a URL, 2,049 are too many. */
static void
test_url_length(void **state)
{
	static const struct {
		enum channel_type type;
		const char *start;
	} rows[] = {
	    {CHANNEL_SLACK, "https://hooks.slack.com/services/"},
	    {CHANNEL_TEAMS, "https://outlook.office.com/webhook/"},
	    {CHANNEL_DISCORD, "https://discord.com/api/webhooks/"},
	    {CHANNEL_GOOGLE_CHAT, "https://chat.googleapis.com/v1/spaces/"},
	    {CHANNEL_WEBHOOK, "https://example.com/"},
	};
	char url[URL_MAX + 2], host[64];
	size_t i, n;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		n = (size_t)snprintf(url, sizeof(url), "%s", rows[i].start);
		memset(url + n, 'x', sizeof(url) - n);
		url[2048] = '\0';
		snprintf(host, sizeof(host), "%.*s", (int)strcspn(url + 8, "/"), url + 8);
		expect_url(rows[i].type, url, "", NULL, host, &closed);
		url[2048] = 'x';
		url[2049] = '\0';
		expect_url(rows[i].type, url, "length", "2048", NULL, &closed);
	}
}

/* Judge a webhook with one more field. */
static void
expect_extra(const char *row, const char *name, const char *value, const char *codes,
    const char *kept, const char *message)
{
	char path[64], found[256], body[8192];
	struct result r;

	snprintf(body, sizeof(body), "{\"%s\":%s,\"url\":\"https://example.com\"}", name, value);
	judge(row, CHANNEL_WEBHOOK, body, &closed, &r);
	snprintf(path, sizeof(path), "credentials.%s", name);
	want(row, &r, at_path(path, codes, found), message);
	if (kept != NULL) {
		CHECK(row, r.out.nvalues == 2 && strcmp(r.out.values[0].name, name) == 0);
		CHECK(row, slice_eq(buf_slice(&r.out.values[0].text), slice_of(kept)));
		CHECK(row, strcmp(r.out.values[1].name, "url") == 0);
		CHECK(row, strcmp(r.out.destination, "example.com") == 0);
	}
	result_clear(&r);
}

static void
test_auth_header(void **state)
{
	static const struct {
		const char *json, *codes, *kept, *message;
	} rows[] = {
	    {"\"Bearer abc123\"", "", "Bearer abc123", NULL},
	    {"\"x\"", "", "x", NULL},
	    {"\"Basic  !\\\"~\\\\\"", "", "Basic  !\"~\\", NULL},
	    {"\"\"", "length", NULL, "leave it out"},
	    {"\" Bearer x\"", "format", NULL, "begin or end with a space"},
	    {"\"Bearer x \"", "format", NULL, "begin or end with a space"},
	    {"\" \"", "format", NULL, "begin or end with a space"},
	    {"\"Bearer\\tx\"", "format", NULL, "printable ASCII"},
	    {"\"Bearer x\\r\\nHost: y\"", "format", NULL, "no line breaks"},
	    {"\"Bearer x\\n\"", "format", NULL, NULL},
	    {"\"Bearer \\u001f\"", "format", NULL, NULL},
	    {"\"Bearer \x7f\"", "format", NULL, NULL},
	    {"\"Bearer \\u0080\"", "format", NULL, NULL},
	    {"\"Bearer \xc3\xa9\"", "format", NULL, NULL},
	    {"\" \\u00e9\"", "format format", NULL, NULL},
	    {"null", "type", NULL, "must be a string, not null"},
	    {"7", "type", NULL, "must be a string, not a number"},
	    {"{\"a\":1}", "type", NULL, "not an object"},
	};
	char value[2052];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		expect_extra(rows[i].json, "authHeader", rows[i].json, rows[i].codes, rows[i].kept,
		    rows[i].message);
	memset(value, 'x', sizeof(value));
	value[0] = value[2049] = '"';
	value[2050] = '\0';
	expect_extra("2,048", "authHeader", value, "", NULL, NULL);
	value[2049] = 'x';
	value[2050] = '"';
	value[2051] = '\0';
	expect_extra("2,049", "authHeader", value, "length", NULL, "1 to 2,048");
}

static void
test_hmac_secret(void **state)
{
	static const struct {
		const char *json, *codes, *kept, *message;
	} rows[] = {
	    {"\"your-32-byte-secret\"", "", "your-32-byte-secret", NULL},
	    {"\"s\"", "", "s", NULL},
	    {"\" \"", "", " ", NULL},
	    {"\" a\\n\\u00e9 \"", "", " a\n\xc3\xa9 ", NULL},
	    {"\"\xf0\x9f\x98\x80\"", "", "\xf0\x9f\x98\x80", NULL},
	    {"\"whsec_%%%\"", "", "whsec_%%%", NULL},
	    {"\"\"", "length", NULL, "leave it out"},
	    {"null", "type", NULL, "must be a string, not null"},
	    {"true", "type", NULL, "not a boolean"},
	    {"[\"s\"]", "type", NULL, "not an array"},
	};
	char value[520];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++)
		expect_extra(rows[i].json, "hmacSecret", rows[i].json, rows[i].codes, rows[i].kept,
		    rows[i].message);
	memset(value, 's', sizeof(value));
	value[0] = value[513] = '"';
	value[514] = '\0';
	expect_extra("512", "hmacSecret", value, "", NULL, NULL);
	memcpy(value + 511, "\xc3\xa9\"", 4); /* 510 and the two bytes of an é */
	expect_extra("512 with an é", "hmacSecret", value, "", NULL, NULL);
	memcpy(value + 512, "\xc3\xa9\"", 4); /* 511 and two: bytes count, not characters */
	value[511] = 's';
	expect_extra("513 with an é", "hmacSecret", value, "length", NULL, "512 bytes");
	memcpy(value + 512, "ss\"", 4);
	expect_extra("513", "hmacSecret", value, "length", NULL, NULL);
}

/* One address, good or not. */
static void
test_addresses(void **state)
{
	static const struct {
		const char *address;
		const char *message; /* NULL: it is good */
	} rows[] = {
	    {"alice@example.com", NULL},
	    {"a@b.c", NULL},
	    {"a.b.c@example.com", NULL},
	    {"a+tag@example.com", NULL},
	    {"!#$%&'*+-/=?^_`{|}~@example.com", NULL},
	    {"Alice@EXAMPLE.Com", NULL},
	    {"a@xn--bcher-kva.example", NULL},
	    {"a@1.2", NULL},
	    {"a@a-b.c--d.com", NULL},
	    {L60 "abcd@example.com", NULL}, /* 64 before the @ */
	    {L60 "abcde@example.com", "longer than 64 bytes"},
	    {"a@" L63 ".com", NULL},
	    {"a@" L63 "d.com", "no valid domain"},
	    /* 254 bytes in all, and more */
	    {"a@" L63 "." L63 "." L63 "." L60, NULL},
	    {"ab@" L63 "." L63 "." L63 "." L60, "longer than 254"},
	    {"a@" L63 "." L63 "." L63 "." L60 "ab", "longer than 254"},
	    {"alice", "with one @"},
	    {"@example.com", "with one @"},
	    {"alice@", "with one @"},
	    {"@", "with one @"},
	    {"a@b@example.com", "with one @"},
	    {"a@example.com@", "with one @"},
	    {".a@example.com", "single dots"},
	    {"a.@example.com", "single dots"},
	    {"a..b@example.com", "single dots"},
	    {"a b@example.com", "display name"},
	    {"Alice <a@example.com>", "display name"},
	    {"<a@example.com>", "< >"},
	    {"\"a\"@example.com", "quotes"},
	    {"a(c)@example.com", "before the @"},
	    {"a:b@example.com", "before the @"},
	    {"a;b@example.com", "before the @"},
	    {"a\\b@example.com", "before the @"},
	    {"mailto:a@example.com", "before the @"},
	    {"\xc3\xa9@example.com", "ASCII"},
	    {"a\x7f@example.com", "before the @"},
	    {"a\nb@example.com", "before the @"},
	    {"a@localhost", "with a dot"},
	    {"a@com", "with a dot"},
	    {"a@.com", "no valid domain"},
	    {"a@example.", "no valid domain"},
	    {"a@example.com.", "no valid domain"},
	    {"a@example..com", "no valid domain"},
	    {"a@-example.com", "no valid domain"},
	    {"a@example-.com", "no valid domain"},
	    {"a@example.-com", "no valid domain"},
	    {"a@exa_mple.com", "no valid domain"},
	    {"a@exa mple.com", "no valid domain"},
	    {"a@[192.0.2.1]", "no valid domain"},
	    {"a@b\xc3\xbc"
	     "cher.example",
		"xn--"},
	    {"a@example.com\nBcc: b@example.com", "with one @"},
	    {"a@example.com\r\nX: y", "no valid domain"},
	};
	struct buf body;
	struct result r;
	const char *row;
	size_t i;

	(void)state;
	buf_init(&body, 4096);
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].address;
		buf_reset(&body);
		buf_printf(&body, "{\"recipients\":");
		json_put(&body, slice_of(row));
		buf_addc(&body, '}');
		judge(row, CHANNEL_EMAIL, buf_str(&body), &closed, &r);
		want(row, &r, rows[i].message == NULL ? "" : "credentials.recipients:format",
		    rows[i].message);
		if (rows[i].message == NULL) {
			CHECK(row, slice_eq(buf_slice(&r.out.values[0].text), slice_of(row)));
			CHECK(row, strcmp(r.out.destination, "1 recipient") == 0);
		} else {
			CHECK(row, strstr(r.messages, "address 1 of the list") != NULL);
		}
		result_clear(&r);
		/* the same as an element */
		buf_reset(&body);
		buf_printf(&body, "{\"recipients\":[\"z@example.org\",");
		json_put(&body, slice_of(row));
		buf_printf(&body, "]}");
		judge(row, CHANNEL_EMAIL, buf_str(&body), &closed, &r);
		want(row, &r, rows[i].message == NULL ? "" : "credentials.recipients[1]:format",
		    rows[i].message);
		result_clear(&r);
	}
	buf_clear(&body);
}

/* clang-format off */
#define R "credentials.recipients"
static void
test_recipients(void **state)
{
	static const struct {
		const char *json, *found, *kept, *also; /* the destination, or a part of the messages */
	} rows[] = {
		{"\"alice@example.com, bob@example.com\"", "", "alice@example.com,bob@example.com", "2 recipients"},
		{"[\"alice@example.com\",\"bob@example.com\"]", "", "alice@example.com,bob@example.com", "2 recipients"},
		{"\"  c@x.y ,b@x.y,\\ta@x.y \"", "", "c@x.y,b@x.y,a@x.y", "3 recipients"},
		{"[\" a@x.y \"]", "", "a@x.y", "1 recipient"},
		/* duplicates: the domain without case, the local part to the letter, the first one stays */
		{"\"a@x.y,a@x.y\"", "", "a@x.y", "1 recipient"},
		{"\"a@X.y, b@x.y ,a@x.Y\"", "", "a@X.y,b@x.y", "2 recipients"},
		{"\"a@x.y,A@x.y\"", "", "a@x.y,A@x.y", "2 recipients"},
		{"[\"a@x.y\",\" a@x.y\",\"b@x.y\"]", "", "a@x.y,b@x.y", "2 recipients"},
		/* nothing */
		{"\"\"", R ":length", NULL, "must hold 1 to 50 different addresses"},
		{"\"  \"", R ":length", NULL, NULL},
		{"[]", R ":length", NULL, NULL},
		/* empty pieces, by their place */
		{"\"a@x.y,\"", R ":format", NULL, "address 2 of the list is empty"},
		{"\",a@x.y\"", R ":format", NULL, "address 1 of the list is empty"},
		{"\"a@x.y, ,b@x.y\"", R ":format", NULL, "address 2 of the list is empty"},
		{"\",\"", R ":format " R ":format", NULL, "address 2 of the list is empty"},
		{"[\"a@x.y\",\"\"]", R "[1]:format", NULL, "the address is empty"},
		{"[\" \"]", R "[0]:format", NULL, "the address is empty"},
		/* several at once */
		{"\"a@x.y,b,c@x.y,d@e\"", R ":format " R ":format", NULL, "address 4 of the list needs a whole domain"},
		{"[\"b\",\"a@x.y\",7,null,[\"a@x.y\"],\"c@x\"]",
		    R "[0]:format " R "[2]:type " R "[3]:type " R "[4]:type " R "[5]:format", NULL,
		    "must be a string with one address, not null"},
		{"[\"a@x.y,b@x.y\"]", R "[0]:format", NULL, NULL},
		{"\"a@x.y;b@x.y\"", R ":format", NULL, NULL},
		/* wrong types */
		{"null", R ":type", NULL, "an array of addresses, not null"},
		{"7", R ":type", NULL, "not a number"},
		{"{}", R ":type", NULL, "not an object"},
		{"false", R ":type", NULL, "not a boolean"},
	};
	struct result r;
	char body[512];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		snprintf(body, sizeof(body), "{\"recipients\":%s}", rows[i].json);
		judge(rows[i].json, CHANNEL_EMAIL, body, &closed, &r);
		want(rows[i].json, &r, rows[i].found, rows[i].kept == NULL ? rows[i].also : NULL);
		if (rows[i].kept != NULL) {
			CHECK(rows[i].json, slice_eq(buf_slice(&r.out.values[0].text), slice_of(rows[i].kept)));
			CHECK(rows[i].json, strcmp(r.out.destination, rows[i].also) == 0);
		}
		result_clear(&r);
	}
}
/* clang-format on */

/* 50 different ones are the limit, in both forms and at their greatest length. */
static void
test_recipients_count(void **state)
{
	static const struct {
		const char *row, *format, *found;
		unsigned int n, different;
	} rows[] = {
	    {"50 in a string", "u%u@x.y", "", 50, 50},
	    {"51 in a string", "u%u@x.y", R ":length", 51, 51},
	    {"200 in a string, 50 different", "u%u@x.y", "", 200, 50},
	    {"50 of 254 bytes", "%02u@" L63 "." L63 "." L63 "." L10 L10 L10 L10 L10 "abcdefghi", "",
		50, 50},
	};
	char one[300], destination[32];
	struct result r;
	struct buf list, array;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		buf_init(&list, 65536);
		buf_init(&array, 65536);
		buf_printf(&list, "{\"recipients\":\"");
		buf_printf(&array, "{\"recipients\":[");
		for (j = 0; j < rows[i].n; j++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(one, sizeof(one), rows[i].format, j % rows[i].different);
#pragma GCC diagnostic pop
			buf_printf(&list, "%s%s", j == 0 ? "" : ",", one);
			buf_printf(&array, "%s\"%s\"", j == 0 ? "" : ",", one);
		}
		buf_printf(&list, "\"}");
		buf_printf(&array, "]}");
		snprintf(destination, sizeof(destination), "%u recipients", rows[i].different);
		for (j = 0; j < 2; j++) {
			judge(rows[i].row, CHANNEL_EMAIL, buf_str(j == 0 ? &list : &array), &closed,
			    &r);
			want(rows[i].row, &r, rows[i].found,
			    *rows[i].found == '\0' ? NULL : "1 to 50");
			if (*rows[i].found == '\0')
				CHECK(rows[i].row, strcmp(r.out.destination, destination) == 0);
			CHECK(rows[i].row, buf_ok(&r.out.values[0].text));
			result_clear(&r);
		}
		buf_clear(&list);
		buf_clear(&array);
	}
}

/* Fields of each type: missing, unknown, of another type. */
static void
test_shape(void **state)
{
	static const struct {
		enum channel_type type;
		const char *json, *found, *message;
	} rows[] = {
	    {CHANNEL_SLACK, "{}", "credentials.webhookUrl:required", "type slack needs it"},
	    {CHANNEL_TEAMS, "{}", "credentials.webhookUrl:required", "type teams needs it"},
	    {CHANNEL_DISCORD, "{}", "credentials.webhookUrl:required", NULL},
	    {CHANNEL_GOOGLE_CHAT, "{}", "credentials.webhookUrl:required", NULL},
	    {CHANNEL_WEBHOOK, "{}", "credentials.url:required", "type webhook needs it"},
	    {CHANNEL_EMAIL, "{}", "credentials.recipients:required", NULL},
	    {CHANNEL_SLACK, "{\"webhookUrl\":null}", "credentials.webhookUrl:type", "not null"},
	    {CHANNEL_SLACK, "{\"webhookUrl\":[]}", "credentials.webhookUrl:type", "not an array"},
	    {CHANNEL_WEBHOOK, "{\"url\":1}", "credentials.url:type", "a string, not a number"},
	    {CHANNEL_SLACK, "[]", "credentials:type", "must be an object, not an array"},
	    {CHANNEL_EMAIL, "\"a@x.y\"", "credentials:type", "must be an object, not a string"},
	    {CHANNEL_EMAIL, "null", "credentials:type", "must be an object, not null"},
	    {CHANNEL_SLACK, "{\"webhook_url\":\"" SLACK "\"}",
		"credentials.webhook_url:unknown credentials.webhookUrl:required",
		"did you mean \"webhookUrl\"?"},
	    {CHANNEL_SLACK, "{\"url\":1,\"webhookUrl\":\"" SLACK "\"}", "credentials.url:unknown",
		"use webhookUrl"},
	    {CHANNEL_WEBHOOK,
		"{\"url\":\"https://example.com\",\"hmacsecret\":\"s\",\"authheader\":1}",
		"credentials.hmacsecret:unknown credentials.authheader:unknown",
		"did you mean \"hmacSecret\"?"},
	    {CHANNEL_EMAIL, "{\"recipients\":\"a@x.y\",\"webhookUrl\":\"x\"}",
		"credentials.webhookUrl:unknown", "use recipients"},
	    {CHANNEL_WEBHOOK, "{\"hmacSecret\":\"\",\"authHeader\":\"\"}",
		"credentials.hmacSecret:length credentials.authHeader:length "
		"credentials.url:required",
		NULL},
	};
	struct result r;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		judge(rows[i].json, rows[i].type, rows[i].json, &closed, &r);
		want(rows[i].json, &r, rows[i].found, rows[i].message);
		result_clear(&r);
	}
}

/* Clearing wipes the struct, frees the values, and may be done twice. */
static void
test_clear(void **state)
{
	static const struct credentials zero;
	struct result r;

	(void)state;
	judge("clear", CHANNEL_WEBHOOK,
	    "{\"url\":\"https://example.com\",\"authHeader\":\"x\",\"hmacSecret\":\"s\"}", &closed,
	    &r);
	CHECK("clear", r.out.nvalues == 3);
	credentials_clear(&r.out);
	CHECK("clear", memcmp(&r.out, &zero, sizeof(zero)) == 0);
	credentials_clear(&r.out);
	result_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_platform_urls),
	    cmocka_unit_test(test_added_hosts),
	    cmocka_unit_test(test_webhook_urls),
	    cmocka_unit_test(test_opened),
	    cmocka_unit_test(test_url_length),
	    cmocka_unit_test(test_auth_header),
	    cmocka_unit_test(test_hmac_secret),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_recipients),
	    cmocka_unit_test(test_recipients_count),
	    cmocka_unit_test(test_shape),
	    cmocka_unit_test(test_clear),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
