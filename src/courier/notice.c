/* Mail for the operator: what the project's other channels hear of a failing one, the operator
 * hears too, since they may all have failed. */
#include "courier/notice.h"

#include <stdlib.h>

#include "base/log.h"
#include "courier/courier.h"
#include "courier/message.h"
#include "domain/outcome.h"

#define EVERY_MS 60000
#define BATCH    20

/** A notice on its way. */
struct notice {
	struct courier *c;
	struct store_claimed *d;
	struct message message;
};

static void
notice_free(struct notice *n)
{
	n->c->nnotices--;
	message_clear(&n->message);
	store_claimed_free(n->d);
	free(n);
}

static void
on_noted(void *ctx, enum err e, const struct db_rows *rows)
{
	(void)ctx;
	(void)rows;
	if (e != ERR_OK) /* then the operator gets it once more */
		log_warn("notice.done", LOG_STR("error", err_word(e)));
}

/* The relay's answer. */
static void
on_relay(void *ctx, const struct post_result *r)
{
	struct notice *n = ctx;
	struct outcome_finding found;
	char id[UUID_TEXT_SIZE];

	outcome_classify(CHANNEL_EMAIL, &r->answer, clock_wall_ms(&n->c->clock), &found);
	uuid_text(&n->d->id, id);
	log_info("notice.end", LOG_STR("id", id), LOG_STR("outcome", outcome_words[found.outcome]),
	    LOG_INT("code", r->answer.status),
	    LOG_STR("error", found.reason[0] == '\0' ? NULL : found.reason));
	/* one that is refused for good would be so for ever */
	if (found.outcome == OUTCOME_OK || found.outcome == OUTCOME_REFUSED ||
	    found.outcome == OUTCOME_GONE)
		(void)!store_notice_done_ask(n->c->db, n->d, on_noted, NULL);
	notice_free(n);
}

/* A notice that was taken. */
static void
on_taken(void *ctx, struct store_claimed *d)
{
	struct courier *c = ctx;
	struct slice to = slice_of(c->settings->operator_mail);
	struct post_mail mail = {.recipient = to};
	struct notice *n;

	if ((n = calloc(1, sizeof(*n))) == NULL) {
		store_claimed_free(d);
		return;
	}
	n->c = c;
	n->d = d;
	c->nnotices++;
	message_init(&n->message);
	if (message_mail(&n->message, d, c->settings, to, clock_wall_ms(&c->clock)) == ERR_OK) {
		mail.message = buf_slice(&n->message.body);
		if (post_mail_start(c->post, &mail, on_relay, n, NULL) == ERR_OK)
			return;
	}
	log_error("notice.make", LOG_STR("hint", "a notice for operator_mail could not be made"));
	notice_free(n);
}

static void
on_rows(void *ctx, enum err e, const struct db_rows *rows)
{
	static const struct uuid none;
	struct courier *c = ctx;

	c->is_noticing = false;
	if (e == ERR_OK && !c->is_reloading)
		store_claim_rows(rows, &none, on_taken, c);
}

int64_t
notice_wait_ms(const struct courier *c, int64_t now_ms)
{
	if (c->settings->operator_mail[0] == '\0' || c->is_noticing || c->is_stopping ||
	    c->is_reloading)
		return (-1);
	return (c->notice_at_ms > now_ms ? c->notice_at_ms - now_ms : 0);
}

void
notice_ask(struct courier *c, int64_t now_ms)
{
	if (notice_wait_ms(c, now_ms) != 0)
		return;
	c->notice_at_ms = now_ms + EVERY_MS;
	c->is_noticing = store_notices_ask(c->db, BATCH, on_rows, c) == ERR_OK;
}
