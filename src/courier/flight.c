/*
 * The way of a delivery, from top to bottom: unseal, render, send, record.  Start reading at
 * flight_begin().  Whatever happens, a flight ends in flight_end(), once.
 */
#include "courier/flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "courier/courier.h"
#include "courier/message.h"
#include "courier/outbox.h"
#include "domain/backoff.h"
#include "domain/excerpt.h"
#include "domain/outcome.h"

#define PROGRESS_ONE 18 /* bytes of one recipient's mark: a letter, 16 hex digits, NUL */

struct flight {
	struct flight *next, **prev;
	struct courier *c;
	struct store_claimed *d;
	struct message_secrets secrets;
	struct message message;
	struct post_flight *post; /* NULL: nothing is under way */
	int64_t started_wall_ms, started_ms;
	/* Of e-mail: the recipients one after the other. */
	struct slice rest; /* of the list; absent: none is left */
	struct slice recipient;
	struct buf progress;           /* who has been served, as in the last attempt and since */
	struct outcome_finding worst;  /* of this attempt's recipients */
	size_t nrecipients, naccepted; /* the second with those of earlier attempts */
	size_t nmails;                 /* that the relay took in this attempt */
	int code;                      /* SMTP's, of the worst; of the last where all is well */
	char excerpt[EXCERPT_MAX + 1]; /* of the same reply */
};

/* What an attempt has come to. */
struct ending {
	enum outcome outcome;
	int64_t wait_ms;     /* that the destination asked for */
	int code;            /* 0: none */
	const char *error;   /* NULL: none */
	const char *excerpt; /* NULL: none */
};

static void
link_flight(struct courier *c, struct flight *f)
{
	f->next = c->flights;
	f->prev = &c->flights;
	if (f->next != NULL)
		f->next->prev = &f->next;
	c->flights = f;
	c->nflights++;
	c->nfailing += f->d->is_failing;
}

/* Give back all that a flight has; its secrets are wiped. */
static void
flight_free(struct flight *f)
{
	if (f->post != NULL)
		post_cancel(f->post);
	*f->prev = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	f->c->nflights--;
	f->c->nfailing -= f->d->is_failing;
	message_clear(&f->message);
	message_secrets_clear(&f->secrets);
	buf_clear(&f->progress);
	store_claimed_free(f->d);
	free(f);
}

/* When is the next attempt?  BACKOFF_OVER: there is none. */
static int64_t
next_wait(const struct flight *f, const struct ending *end)
{
	const struct settings *s = f->c->settings;
	uint32_t random;

	if (end->outcome == OUTCOME_LOCAL)
		return (f->d->is_test ? BACKOFF_OVER : BACKOFF_LOCAL_MS);
	if (end->outcome != OUTCOME_RETRY || f->d->is_test)
		return (BACKOFF_OVER);
	crypt_random(&random, sizeof(random));
	return (backoff_next_ms(
	    s->retry_s, s->nretries, (unsigned int)f->d->attempts + 1, random, end->wait_ms));
}

/* One line for each attempt. */
static void
log_ending(const struct flight *f, const struct ending *end, int64_t wait_ms, int64_t ms)
{
	char id[UUID_TEXT_SIZE], channel[UUID_TEXT_SIZE];

	uuid_text(&f->d->id, id);
	uuid_text(&f->d->channel, channel);
	log_info("delivery.end", LOG_STR("id", id), LOG_STR("channel", channel),
	    LOG_STR("type", channel_type_words[f->d->type]), LOG_INT("try", f->d->attempts + 1),
	    LOG_STR("outcome", outcome_words[end->outcome]), LOG_INT("code", end->code),
	    LOG_INT("ms", ms), LOG_INT("next_s", wait_ms < 0 ? -1 : wait_ms / 1000),
	    LOG_STR("error", end->error));
}

/* Record, and drop the flight. */
static void
flight_end(struct flight *f, const struct ending *end)
{
	const int64_t wait_ms = next_wait(f, end);
	const int64_t ms = clock_mono_ms(&f->c->clock) - f->started_ms;
	struct store_outcome o = {
	    .tenant = f->d->tenant,
	    .id = f->d->id,
	    .claim = f->d->claim,
	    .outcome = outcome_words[end->outcome],
	    .wait_ms = wait_ms,
	    .pause_ms = end->wait_ms,
	    .started_ms = f->started_wall_ms,
	    .duration_ms = ms,
	    .code = end->code == 0 ? -1 : end->code,
	    .error = end->error,
	    .excerpt = end->excerpt,
	    .progress = f->progress.len == 0 ? NULL : buf_str(&f->progress),
	    .nmails = (int64_t)f->nmails,
	};

	log_ending(f, end, wait_ms, ms);
	outbox_add(f->c, &o);
	flight_free(f);
}

/* End a flight that never left, for a reason of our own making. */
static void
end_early(struct flight *f, enum outcome outcome, const char *error)
{
	const struct ending end = {.outcome = outcome, .error = error};

	flight_end(f, &end);
}

/* A resolver that fails for many different hosts in a row is ill itself: that is not the channels'
 * fault (contract §5).  An answer over a connection that was there already tells nothing of it. */
static bool
resolver_is_ill(struct courier *c, const struct post_result *r)
{
	uint8_t digest[CRYPT_SHA256_LEN];
	uint64_t hash;
	size_t i;

	if (r->has_resolved)
		c->nnames_lost = 0;
	if (r->answer.way != OUTCOME_WAY_NAME)
		return (false);
	crypt_sha256(r->answer.host, digest);
	memcpy(&hash, digest, sizeof(hash));
	for (i = 0; i < c->nnames_lost && c->names_lost[i] != hash;)
		i++;
	if (i == c->nnames_lost && i < COURIER_NAMES_LOST)
		c->names_lost[c->nnames_lost++] = hash;
	return (c->nnames_lost == COURIER_NAMES_LOST);
}

/* Judge the answer. */
static void
judge(struct flight *f, const struct post_result *r, struct outcome_finding *out)
{
	outcome_classify(f->d->type, &r->answer, clock_wall_ms(&f->c->clock), out);
	if (resolver_is_ill(f->c, r)) {
		out->outcome = OUTCOME_LOCAL;
		snprintf(out->reason, sizeof(out->reason),
		    "the resolver finds no host any more; see the name service of this machine");
	}
}

/* The answer of a webhook or a platform. */
static void
on_answer(void *ctx, const struct post_result *r)
{
	struct flight *f = ctx;
	struct outcome_finding found;
	char excerpt[EXCERPT_MAX + 1] = "";
	struct ending end;

	f->post = NULL;
	judge(f, r, &found);
	if (excerpt_make(r->answer.body, f->secrets.list, f->secrets.nlist, excerpt) != ERR_OK)
		excerpt[0] = '\0';
	end = (struct ending){.outcome = found.outcome,
	    .wait_ms = found.wait_ms,
	    .code = r->answer.status,
	    .error = found.reason[0] == '\0' ? NULL : found.reason,
	    .excerpt = excerpt[0] == '\0' ? NULL : excerpt};
	flight_end(f, &end);
}

/* E-mail
 * ------------------------------------------------------------------------------------------- */

/* A recipient's mark in the progress: ${letter} and a digest, since an address is a credential. */
static void
mark_of(const struct flight *f, char letter, char out[PROGRESS_ONE])
{
	const struct slice parts[] = {
	    slice_make(f->d->id.bytes, sizeof(f->d->id.bytes)), f->recipient};
	uint8_t mac[CRYPT_SHA256_LEN];

	out[0] = letter;
	if (crypt_hmac_sha256(parts[0], &parts[1], 1, mac) != ERR_OK)
		memset(mac, 0, sizeof(mac));
	text_hex(mac, 8, out + 1);
}

/* Has the recipient been served by an earlier attempt, or refused for good (${letter} 'a', 'r')?
 * Then the code that the relay gave stands in ${code}. */
static bool
is_marked(struct flight *f, char letter, int *code)
{
	char mark[PROGRESS_ONE];
	const char *at;

	mark_of(f, letter, mark);
	if ((at = strstr(buf_str(&f->progress), mark)) == NULL)
		return (false);
	*code = at[strlen(mark)] == ':' ? (int)strtol(at + strlen(mark) + 1, NULL, 10) : 0;
	return (true);
}

static void
mark(struct flight *f, char letter, int code)
{
	char text[PROGRESS_ONE];

	mark_of(f, letter, text);
	buf_printf(&f->progress, "%s%s:%d", f->progress.len > 0 ? "," : "", text, code);
}

/* Which of two outcomes says more of the whole: what must be tried again comes first. */
static int
weight(enum outcome o)
{
	static const int weights[OUTCOME__MAX] = {
	    [OUTCOME_OK] = 0,
	    [OUTCOME_GONE] = 1,
	    [OUTCOME_REFUSED] = 2,
	    [OUTCOME_LOCAL] = 3,
	    [OUTCOME_RETRY] = 4,
	};

	return (weights[o]);
}

/* All recipients are through: the delivery is as good as the worst of them. */
static void
end_mail(struct flight *f)
{
	char error[OUTCOME_REASON_SIZE + 64];
	struct ending end = {
	    .outcome = f->worst.outcome, .wait_ms = f->worst.wait_ms, .code = f->code};

	if (f->worst.outcome != OUTCOME_OK) {
		snprintf(error, sizeof(error), "%zu of %zu recipients accepted; %s", f->naccepted,
		    f->nrecipients, f->worst.reason);
		end.error = error;
		end.excerpt = f->excerpt[0] == '\0' ? NULL : f->excerpt;
	}
	/* a relay's "no such mailbox" is one recipient's, never the whole channel's end */
	if (end.outcome == OUTCOME_GONE)
		end.outcome = OUTCOME_REFUSED;
	flight_end(f, &end);
}

static void next_recipient(struct flight *f);

/* Is there no sense in asking the relay for the other recipients?  What it says to one of them is
 * about that one. */
static bool
relay_is_ill(const struct post_result *r, const struct outcome_finding *found)
{
	return (found->outcome == OUTCOME_LOCAL &&
		(r->answer.way != OUTCOME_WAY_ANSWERED || r->answer.step <= OUTCOME_STEP_MAIL));
}

/* The relay's answer for one recipient. */
static void
on_relay(void *ctx, const struct post_result *r)
{
	struct flight *f = ctx;
	struct outcome_finding found;

	f->post = NULL;
	judge(f, r, &found);
	if (found.outcome == OUTCOME_OK) {
		f->naccepted++;
		f->nmails++;
		mark(f, 'a', r->answer.status);
	} else if (found.outcome == OUTCOME_REFUSED || found.outcome == OUTCOME_GONE) {
		mark(f, 'r', r->answer.status);
	}
	if (f->worst.outcome == OUTCOME_OK || weight(found.outcome) > weight(f->worst.outcome)) {
		f->worst = found;
		f->code = r->answer.status;
		if (excerpt_make(r->answer.body, f->secrets.list, f->secrets.nlist, f->excerpt) !=
		    ERR_OK)
			f->excerpt[0] = '\0';
	}
	if (relay_is_ill(r, &found))
		end_mail(f);
	else
		next_recipient(f);
}

/* Note that a recipient is refused without being asked for now. */
static void
refuse_recipient(struct flight *f, int code, const char *why)
{
	if (weight(OUTCOME_REFUSED) > weight(f->worst.outcome)) {
		f->worst.outcome = OUTCOME_REFUSED;
		f->code = code;
		f->excerpt[0] = '\0';
		snprintf(f->worst.reason, sizeof(f->worst.reason), "%s", why);
	}
}

/* Send to the next recipient who has not been served yet; end where there is none. */
static void
next_recipient(struct flight *f)
{
	struct post_mail mail;
	int code;

	while (slice_split(&f->rest, ',', &f->recipient)) {
		f->nrecipients++;
		if (is_marked(f, 'a', &code)) {
			f->naccepted++;
		} else if (is_marked(f, 'r', &code)) {
			refuse_recipient(f, code, "the relay has refused the others for good");
		} else if (!settings_mail_is_allowed(f->c->settings, f->recipient)) {
			refuse_recipient(
			    f, 0, "mail_allow_domains does not have the domain of the others");
		} else if (message_mail(&f->message, f->d, f->c->settings, f->recipient,
			       clock_wall_ms(&f->c->clock)) != ERR_OK) {
			refuse_recipient(f, 0, "the message could not be made");
		} else {
			mail = (struct post_mail){f->recipient, buf_slice(&f->message.body)};
			if (post_mail_start(f->c->post, &mail, on_relay, f, &f->post) == ERR_OK)
				return;
			refuse_recipient(f, 0, "no message can be sent to this address");
		}
	}
	end_mail(f);
}

/* The steps
 * ---------------------------------------------------------------------------------------- */

/* Open the credentials.  A key that is missing may come with the next restart: the delivery waits.
 */
static bool
unseal(struct flight *f)
{
	enum err e = message_secrets_open(&f->secrets, f->c->seals, f->d);
	char id[UUID_TEXT_SIZE];

	if (e == ERR_OK)
		return (true);
	uuid_text(&f->d->id, id);
	log_error("delivery.unseal", LOG_STR("id", id), LOG_STR("error", err_word(e)));
	if (e == ERR_NOKEY)
		end_early(f, OUTCOME_LOCAL,
		    "the courier's keyring lacks the key that these credentials are sealed to");
	else if (e == ERR_DAMAGED)
		end_early(
		    f, OUTCOME_REFUSED, "the stored credentials are damaged: replace them by PUT");
	else
		end_early(f, OUTCOME_LOCAL, "the courier could not open the credentials");
	return (false);
}

/* Make the message, but for e-mail, which is made for each recipient. */
static bool
render(struct flight *f)
{
	enum err e;

	if (f->d->type == CHANNEL_EMAIL)
		return (true);
	e = message_http(
	    &f->message, &f->c->claim_event, f->d, &f->secrets, clock_wall_ms(&f->c->clock));
	store_claimed_drop_payload(f->d);
	if (e == ERR_OK)
		return (true);
	if (e == ERR_NOMEM)
		end_early(f, OUTCOME_LOCAL, "the courier has no memory for the message");
	else
		end_early(f, OUTCOME_REFUSED, "the message could not be made");
	return (false);
}

static void
send_flight(struct flight *f)
{
	struct post_http http;
	enum err e;

	if (f->d->type == CHANNEL_EMAIL) {
		f->rest = f->secrets.list[0];
		next_recipient(f);
		return;
	}
	http = (struct post_http){.url = buf_slice(&f->message.url),
	    .fields = f->message.fields,
	    .nfields = f->message.nfields,
	    .body = buf_slice(&f->message.body)};
	e = post_http_start(f->c->post, &http, on_answer, f, &f->post);
	if (e == ERR_NOMEM)
		end_early(f, OUTCOME_LOCAL, "the courier has no memory for the request");
	else if (e != ERR_OK)
		end_early(f, OUTCOME_REFUSED,
		    "the stored URL or Authorization header cannot be sent: replace it by PUT");
}

void
flight_begin(struct courier *c, struct store_claimed *d)
{
	struct flight *f;

	if ((f = calloc(1, sizeof(*f))) == NULL) {
		log_error("flight.memory", LOG_STR("hint", "the delivery waits for its lease"));
		store_claimed_free(d);
		return;
	}
	f->c = c;
	f->d = d;
	f->worst.outcome = OUTCOME_OK;
	f->started_wall_ms = clock_wall_ms(&c->clock);
	f->started_ms = clock_mono_ms(&c->clock);
	message_init(&f->message);
	message_secrets_init(&f->secrets);
	buf_init(&f->progress, 4096);
	buf_add(&f->progress, slice_of(d->progress));
	link_flight(c, f);
	if (unseal(f) && render(f))
		send_flight(f);
}

struct store_back *
flight_backs(struct courier *c, size_t *n)
{
	struct store_back *list;
	struct store_claimed *d;
	struct flight *f;
	size_t most = c->nflights + 1;

	for (d = c->claimed; d != NULL; d = d->next)
		most++;
	*n = 0;
	if ((list = calloc(most, sizeof(*list))) == NULL)
		return (NULL);
	for (d = c->claimed; d != NULL; d = d->next)
		list[(*n)++] = (struct store_back){
		    .delivery = d, .progress = d->progress[0] == '\0' ? NULL : d->progress};
	for (f = c->flights; f != NULL; f = f->next)
		list[(*n)++] = (struct store_back){.delivery = f->d,
		    .progress = f->progress.len == 0 ? NULL : buf_str(&f->progress),
		    .nmails = (int64_t)f->nmails};
	return (list);
}

void
flight_leases(const struct courier *c, struct store_lease *list)
{
	const struct flight *f;

	for (f = c->flights; f != NULL; f = f->next)
		*list++ = (struct store_lease){f->d->tenant, f->d->id, f->d->claim};
}

void
flight_cancel_all(struct courier *c)
{
	while (c->flights != NULL)
		flight_free(c->flights); /* leaves the list NOLINT(clang-analyzer-unix.Malloc) */
}
