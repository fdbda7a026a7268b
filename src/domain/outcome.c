/*
 * What became of an attempt: tables of what the six kinds of destination answer, by contract §5 and
 * the platforms' own documents.  The courier asks here after every flight.
 */
#include "domain/outcome.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "domain/backoff.h"

/** What one status, code or word means. */
struct meaning {
	int status; /* HTTP status, SMTP code or Discord's code */
	enum outcome outcome;
	const char *words; /* behind "HTTP 404: " */
};

/** An error word of Slack's. */
struct slack_word {
	const char *word;
	enum outcome outcome; /* OUTCOME__MAX: what the HTTP status says */
	const char *words;
};

/* clang-format off */

const char *const outcome_words[OUTCOME__MAX] = {
	[OUTCOME_OK] = "ok",
	[OUTCOME_RETRY] = "retry",
	[OUTCOME_REFUSED] = "refused",
	[OUTCOME_GONE] = "gone",
	[OUTCOME_LOCAL] = "local",
};

const char *const outcome_way_words[OUTCOME_WAY__MAX] = {
	[OUTCOME_WAY_ANSWERED] = "answered",
	[OUTCOME_WAY_NAME] = "name",
	[OUTCOME_WAY_CONNECT] = "connect",
	[OUTCOME_WAY_TLS] = "tls",
	[OUTCOME_WAY_CERTIFICATE] = "certificate",
	[OUTCOME_WAY_TIMEOUT] = "timeout",
	[OUTCOME_WAY_CUT] = "cut",
	[OUTCOME_WAY_LARGE] = "large",
	[OUTCOME_WAY_EGRESS] = "egress",
	[OUTCOME_WAY_PROXY] = "proxy",
	[OUTCOME_WAY_SELF] = "self",
};

const char *const outcome_step_words[OUTCOME_STEP__MAX] = {
	[OUTCOME_STEP_CONNECT] = "connect",
	[OUTCOME_STEP_EHLO] = "EHLO",
	[OUTCOME_STEP_STARTTLS] = "STARTTLS",
	[OUTCOME_STEP_AUTH] = "AUTH",
	[OUTCOME_STEP_MAIL] = "MAIL FROM",
	[OUTCOME_STEP_RCPT] = "RCPT TO",
	[OUTCOME_STEP_DATA] = "DATA",
	[OUTCOME_STEP_MESSAGE] = "the message",
};

/* Without an answer. */
static const struct {
	enum outcome outcome;
	const char *words;
} ways[OUTCOME_WAY__MAX] = {
	[OUTCOME_WAY_ANSWERED] = {OUTCOME_RETRY, "there was no answer"},
	[OUTCOME_WAY_NAME] = {OUTCOME_RETRY, "the host's name could not be resolved"},
	[OUTCOME_WAY_CONNECT] = {OUTCOME_RETRY, "the host could not be connected to"},
	[OUTCOME_WAY_TLS] = {OUTCOME_RETRY, "no secure connection: the TLS handshake failed"},
	[OUTCOME_WAY_CERTIFICATE] = {OUTCOME_RETRY,
	    "no secure connection: the certificate is not valid for this host, or from no known authority"},
	[OUTCOME_WAY_TIMEOUT] = {OUTCOME_RETRY, "no whole answer came in time"},
	[OUTCOME_WAY_CUT] = {OUTCOME_RETRY, "the connection broke before the answer was whole"},
	[OUTCOME_WAY_LARGE] = {OUTCOME_RETRY, "the answer's header is too large"},
	[OUTCOME_WAY_EGRESS] = {OUTCOME_REFUSED,
	    "the host is, or resolves only to, addresses that nothing is sent to (private, local or reserved)"},
	[OUTCOME_WAY_PROXY] = {OUTCOME_LOCAL, "the egress proxy does not work"},
	[OUTCOME_WAY_SELF] = {OUTCOME_LOCAL, "the courier's own installation is at fault; its log says how"},
};

/* Where the relay is, there is no fault of the channel's to be found. */
static const char *const relay_words[OUTCOME_WAY__MAX] = {
	[OUTCOME_WAY_ANSWERED] = "does not answer",
	[OUTCOME_WAY_NAME] = "has a name that could not be resolved",
	[OUTCOME_WAY_CONNECT] = "could not be connected to",
	[OUTCOME_WAY_TLS] = "offers no secure connection (STARTTLS)",
	[OUTCOME_WAY_CERTIFICATE] = "has a certificate that is not valid for its name, or from no known authority",
	[OUTCOME_WAY_TIMEOUT] = "did not answer in time",
	[OUTCOME_WAY_CUT] = "closed the connection",
	[OUTCOME_WAY_LARGE] = "answers without end",
	[OUTCOME_WAY_EGRESS] = "is at an address that nothing is sent to",
	[OUTCOME_WAY_PROXY] = "cannot be reached: the egress proxy does not work",
	[OUTCOME_WAY_SELF] = "was not asked: the courier's own installation is at fault; its log says how",
};

/* HTTP, where nobody says otherwise (platforms.md §0).  410 comes from the contract. */
static const struct meaning http_statuses[] = {
	{400, OUTCOME_REFUSED, "the message was not understood"},
	{401, OUTCOME_REFUSED, "the URL, or the key in it, is not accepted"},
	{403, OUTCOME_REFUSED, "the URL, or the key in it, is not allowed to do this"},
	{404, OUTCOME_REFUSED, "there is nothing behind this URL"},
	{405, OUTCOME_REFUSED, "this URL takes no POST"},
	{408, OUTCOME_RETRY, "the other side waited too long for the request"},
	{410, OUTCOME_GONE, "the destination is gone for good"},
	{413, OUTCOME_REFUSED, "the message is too large"},
	{415, OUTCOME_REFUSED, "the message has the wrong media type"},
	{422, OUTCOME_REFUSED, "the message was not accepted"},
	{425, OUTCOME_RETRY, "too early"},
	{429, OUTCOME_RETRY, "too many requests"},
	{500, OUTCOME_RETRY, "an error of the other side"},
	{502, OUTCOME_RETRY, "a gateway of the other side has no answer"},
	{503, OUTCOME_RETRY, "the other side is not available"},
	{504, OUTCOME_RETRY, "a gateway of the other side waited too long"},
};

/* And the rest of them by their first digit. */
static const struct meaning http_classes[] = {
	{2, OUTCOME_OK, ""},
	{3, OUTCOME_REFUSED, "a redirect, which is not followed: enter the URL that it leads to"},
	{4, OUTCOME_REFUSED, "the request was refused"},
	{5, OUTCOME_RETRY, "an error of the other side"},
};
static const struct meaning no_http = {0, OUTCOME_REFUSED, "no answer that HTTP knows"};

/* Slack answers errors with a word in place of a page. */
static const struct slack_word slack_error_words[] = {
	{"invalid_payload", OUTCOME_REFUSED, "the message was not understood"},
	{"invalid_blocks", OUTCOME_REFUSED, "the message was not understood"},
	{"invalid_attachments", OUTCOME_REFUSED, "the message was not understood"},
	{"too_many_attachments", OUTCOME_REFUSED, "the message was not accepted"},
	{"no_text", OUTCOME_REFUSED, "the message was not accepted"},
	{"missing_text_or_fallback_or_attachments", OUTCOME_REFUSED, "the message was not accepted"},
	{"user_not_found", OUTCOME_REFUSED, "the user of this webhook does not exist"},
	{"action_prohibited", OUTCOME_REFUSED, "an administrator of the workspace has forbidden this"},
	{"posting_to_general_channel_denied", OUTCOME_REFUSED, "this channel is closed to webhooks"},
	{"invalid_token", OUTCOME_REFUSED, "the webhook was revoked"},
	{"team_disabled", OUTCOME_REFUSED, "the workspace is disabled"},
	{"channel_not_found", OUTCOME_REFUSED, "the channel of this webhook does not exist"},
	{"channel_is_archived", OUTCOME__MAX, "the channel of this webhook is archived"},
	{"no_service", OUTCOME_GONE, "the webhook was removed or disabled"},
	{"no_service_id", OUTCOME_REFUSED, "the URL is not complete"},
	{"no_team", OUTCOME_REFUSED, "the workspace does not exist"},
	{"no_active_hooks", OUTCOME_GONE, "the webhook was removed or disabled"},
	{"rate_limited", OUTCOME_RETRY, "too many messages"},
	{"rollup_error", OUTCOME_RETRY, "an error of Slack's"},
};

/* Discord's JSON error codes. */
static const struct meaning discord_codes[] = {
	{10003, OUTCOME_REFUSED, "the channel of this webhook does not exist"},
	{10015, OUTCOME_GONE, "the webhook was deleted"},
	{40005, OUTCOME_REFUSED, "the message is too large"},
	{50006, OUTCOME_REFUSED, "the message is empty"},
	{50027, OUTCOME_REFUSED, "the webhook's token is not accepted"},
	{50035, OUTCOME_REFUSED, "the message was not understood"},
	{220001, OUTCOME_REFUSED, "the channel is a forum: put thread_id into the URL"},
	{220002, OUTCOME_REFUSED, "the thread and its name cannot be given both"},
	{220003, OUTCOME_REFUSED, "threads can only be named in forum channels"},
	{240000, OUTCOME_REFUSED, "the message holds a link that Discord blocks"},
};

/* SMTP replies that speak of us and not of the message (RFC 4954, RFC 3207).  Behind MAIL those for now do not: Postfix
 * says 454 of a recipient to whom it does not relay. */
static const struct meaning smtp_ours[] = {
	{432, OUTCOME_LOCAL, "the password has to be changed"},
	{454, OUTCOME_LOCAL, "it cannot check the password, or offer TLS, just now"},
	{530, OUTCOME_LOCAL, "it wants smtp_user and a password"},
	{534, OUTCOME_LOCAL, "it wants another way of authentication"},
	{535, OUTCOME_LOCAL, "it does not accept smtp_user and the password"},
	{538, OUTCOME_LOCAL, "it wants encryption first"},
};

static const struct slice teams_legacy_suffix = SLICE_LIT(".webhook.office.com");
static const struct slice teams_legacy_error = SLICE_LIT("HTTP error ");

/* clang-format on */

#define NELEMS(a) (sizeof(a) / sizeof((a)[0]))

static void find(struct outcome_finding *out, enum outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put down what was found; a success needs no reason. */
static void
find(struct outcome_finding *out, enum outcome outcome, const char *fmt, ...)
{
	va_list args;

	out->outcome = outcome;
	va_start(args, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, args);
	va_end(args);
	if (outcome == OUTCOME_OK)
		out->reason[0] = '\0';
}

static const struct meaning *
lookup(const struct meaning *rows, size_t nrows, int status)
{
	size_t i;

	for (i = 0; i < nrows; i++) {
		if (rows[i].status == status)
			return (&rows[i]);
	}
	return (NULL);
}

static const struct meaning *
http_meaning(int status)
{
	const struct meaning *m;

	if ((m = lookup(http_statuses, NELEMS(http_statuses), status)) == NULL)
		m = lookup(http_classes, NELEMS(http_classes), status / 100);
	return (m == NULL ? &no_http : m);
}

/* What most of HTTP agrees on. */
static void
judge_status(const struct outcome_answer *a, struct outcome_finding *out)
{
	const struct meaning *m = http_meaning(a->status);

	find(out, m->outcome, "HTTP %d: %s", a->status, m->words);
}

/* A receiver of the customer's own may be repaired at any time: only 410 is final (contract §5). */
static void
judge_webhook(const struct outcome_answer *a, struct outcome_finding *out)
{
	judge_status(a, out);
	if (out->outcome == OUTCOME_REFUSED)
		out->outcome = OUTCOME_RETRY;
}

/* The member ${name} of the JSON object ${body}, to be freed with ${root}; NULL: there is none. */
static const struct json *
member(struct slice body, const char *name, struct json **root)
{
	struct json_fault fault;

	*root = NULL;
	if (body.len == 0 || body.ptr[0] != '{' || json_parse(body, root, &fault) != ERR_OK)
		return (NULL);
	return (json_get(*root, name));
}

/* Slack's error word: the whole body, or "error" in its JSON. */
static const struct slack_word *
slack_find(struct slice body)
{
	const struct slack_word *found = NULL;
	struct json *root;
	const struct json *error = member(body, "error", &root);
	struct slice word = error == NULL ? slice_trim(body) : json_string(error);
	size_t i;

	while (word.len > 0 && strchr("\r\n", word.ptr[word.len - 1]) != NULL)
		word.len--;
	for (i = 0; i < NELEMS(slack_error_words) && found == NULL; i++) {
		if (slice_eq(word, slice_of(slack_error_words[i].word)))
			found = &slack_error_words[i];
	}
	json_free(root);
	return (found);
}

/* The word comes first, the status second; 2xx alone is no success. */
static void
judge_slack(const struct outcome_answer *a, struct outcome_finding *out)
{
	enum outcome by_status = http_meaning(a->status)->outcome;
	const struct slack_word *w = slack_find(a->body);

	if (a->status == 200 && slice_eq(a->body, slice_of("ok")))
		find(out, OUTCOME_OK, "ok");
	else if (w != NULL && w->outcome != OUTCOME__MAX)
		find(out, w->outcome, "HTTP %d, %s: %s", a->status, w->word, w->words);
	else if (by_status == OUTCOME_OK)
		find(out, OUTCOME_REFUSED, "HTTP %d: the answer is not Slack's \"ok\"", a->status);
	else if (w != NULL)
		find(out, by_status, "HTTP %d, %s: %s", a->status, w->word, w->words);
	else
		judge_status(a, out);
}

/* The status that a legacy connector reports inside of its body; 0: none. */
static int
teams_inner_status(struct slice body)
{
	const char *p;
	uint64_t status;
	struct slice rest;

	if (body.len == 0 || (p = memmem(body.ptr, body.len, teams_legacy_error.ptr,
				  teams_legacy_error.len)) == NULL)
		return (0);
	rest = slice_skip(body, (size_t)(p - body.ptr) + teams_legacy_error.len);
	if (rest.len < 3 || text_u64(slice_make(rest.ptr, 3), 599, &status) != ERR_OK)
		return (0);
	return ((int)status);
}

/* A connector of Office 365 says 200 to everything; its body tells what happened. */
static void
judge_teams_legacy(const struct outcome_answer *a, struct outcome_finding *out)
{
	int inner = teams_inner_status(a->body);
	const struct meaning *m = http_meaning(inner);

	if (slice_eq(a->body, slice_of("1")))
		find(out, OUTCOME_OK, "1");
	else if (inner != 0 && m->outcome != OUTCOME_OK)
		find(out, m->outcome, "HTTP %d, with HTTP %d inside: %s", a->status, inner,
		    m->words);
	else
		find(out, OUTCOME_REFUSED,
		    "HTTP %d: the connector did not take the message (its answer is not \"1\")",
		    a->status);
}

static void
judge_teams(const struct outcome_answer *a, struct outcome_finding *out)
{
	judge_status(a, out);
	if (out->outcome == OUTCOME_OK && slice_ends_nocase(a->host, teams_legacy_suffix))
		judge_teams_legacy(a, out);
	else if (a->status == 401 || a->status == 403)
		find(out, OUTCOME_REFUSED,
		    "HTTP %d: let the workflow's trigger be used by \"Anyone\" and copy its URL "
		    "anew",
		    a->status);
	else if (a->status == 404)
		find(out, OUTCOME_REFUSED, "HTTP 404: the workflow was deleted or turned off");
}

static void
judge_discord(const struct outcome_answer *a, struct outcome_finding *out)
{
	const struct meaning *m;
	struct json *root;
	int64_t code = 0;

	judge_status(a, out);
	if (out->outcome == OUTCOME_OK)
		return;
	if (json_int(member(a->body, "code", &root), 1, INT32_MAX, &code) != ERR_OK)
		code = 0;
	json_free(root);
	m = lookup(discord_codes, NELEMS(discord_codes), (int)code);
	/* what may be tried again by its status stays so, whatever the code */
	if (m != NULL && (out->outcome != OUTCOME_RETRY || m->outcome == OUTCOME_GONE))
		find(out, m->outcome, "HTTP %d, code %d: %s", a->status, m->status, m->words);
}

/* Up to MAIL the talk is about us: the relay refuses the courier, not this message. */
static void
judge_mail(const struct outcome_answer *a, struct outcome_finding *out)
{
	const struct meaning *m = lookup(smtp_ours, NELEMS(smtp_ours), a->status);
	const char *step = outcome_step_words[a->step];

	if (m != NULL && (a->step <= OUTCOME_STEP_MAIL || a->status / 100 == 5))
		find(out, m->outcome, "SMTP %d to %s: the relay refuses us: %s", a->status, step,
		    m->words);
	else if (a->step == OUTCOME_STEP_MAIL && a->status == 552)
		find(out, OUTCOME_REFUSED, "SMTP 552: the message is too large for the relay");
	else if (a->step <= OUTCOME_STEP_MAIL)
		find(out, OUTCOME_LOCAL, "SMTP %d to %s: the relay refuses us", a->status, step);
	else if (a->status / 100 == 2 && a->step == OUTCOME_STEP_MESSAGE)
		find(out, OUTCOME_OK, "ok");
	else if (a->status / 100 == 5)
		find(out, OUTCOME_REFUSED, "SMTP %d to %s: refused for good", a->status, step);
	else
		find(out, OUTCOME_RETRY, "SMTP %d to %s: not accepted for now", a->status, step);
}

/* Without a reply: the relay's failure, unless this one message may be the cause of it. */
static void
judge_mail_way(const struct outcome_answer *a, struct outcome_finding *out)
{
	bool ours = a->step <= OUTCOME_STEP_MAIL || ways[a->way].outcome == OUTCOME_LOCAL;

	find(out, ours ? OUTCOME_LOCAL : OUTCOME_RETRY, "the mail relay %s (at %s)",
	    relay_words[a->way], outcome_step_words[a->step]);
}

static void
judge_way(const struct outcome_answer *a, struct outcome_finding *out)
{
	find(out, ways[a->way].outcome, "%s", ways[a->way].words);
}

typedef void judge(const struct outcome_answer *a, struct outcome_finding *out);

/* clang-format off */
static const struct {
	judge *answer, *way;
	bool waits_in_json; /* "retry_after" in the body */
} judges[CHANNEL__MAX] = {
	[CHANNEL_SLACK] = {judge_slack, judge_way, true},
	[CHANNEL_TEAMS] = {judge_teams, judge_way, false},
	[CHANNEL_DISCORD] = {judge_discord, judge_way, true},
	[CHANNEL_GOOGLE_CHAT] = {judge_status, judge_way, false},
	[CHANNEL_WEBHOOK] = {judge_webhook, judge_way, false},
	[CHANNEL_EMAIL] = {judge_mail, judge_mail_way, false},
};
/* clang-format on */

static int64_t
longer(int64_t a, int64_t b)
{
	return (a > b ? a : b);
}

/* "retry_after" in the JSON of the body, in decimal seconds. */
static int64_t
json_wait_ms(struct slice body)
{
	struct json *root;
	int64_t ms = backoff_seconds_ms(json_double(member(body, "retry_after", &root)));

	json_free(root);
	return (ms);
}

/* Discord's bucket: where nothing remains in it, how long until it is full again. */
static int64_t
bucket_wait_ms(const struct outcome_answer *a)
{
	struct slice rest = slice_trim(a->rate_reset_after), whole;
	uint64_t seconds;

	if (!slice_eq(slice_trim(a->rate_remaining), slice_of("0")) ||
	    !slice_split(&rest, '.', &whole) || text_u64(whole, UINT32_MAX, &seconds) != ERR_OK)
		return (0);
	/* a fraction is rounded up: nobody is in such a hurry */
	return (backoff_seconds_ms((double)(seconds + (rest.len > 0 ? 1 : 0))));
}

/* How long the destination asks to be left alone. */
static int64_t
wait_ms(enum channel_type type, const struct outcome_answer *a, int64_t now_ms)
{
	int64_t ms = backoff_retry_after_ms(a->retry_after, now_ms);

	if (judges[type].waits_in_json)
		ms = longer(ms, json_wait_ms(a->body));
	if (type == CHANNEL_DISCORD)
		ms = longer(ms, bucket_wait_ms(a));
	return (ms);
}

void
outcome_classify(enum channel_type type, const struct outcome_answer *answer, int64_t now_ms,
    struct outcome_finding *out)
{
	bool answered = answer->way == OUTCOME_WAY_ANSWERED && answer->status != 0;

	memset(out, 0, sizeof(*out));
	(answered ? judges[type].answer : judges[type].way)(answer, out);
	if (answered && out->outcome != OUTCOME_GONE && out->outcome != OUTCOME_LOCAL)
		out->wait_ms = wait_ms(type, answer, now_ms);
}
