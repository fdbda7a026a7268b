/*
 * What a destination answers: its outcome is one of five with a reason in our own words, it can ask
 * for no more than a day, and no secret and no control character stays in what is kept of it.
 *
 * An input is six lines (type, way and step as letters; status; host; Retry-After;
 * X-RateLimit-Remaining; X-RateLimit-Reset-After), then the body.
 */
#include <string.h>

#include "domain/backoff.h"
#include "domain/excerpt.h"
#include "domain/outcome.h"
#include "fuzz.h"

#define NOW_MS INT64_C(1700000000000)
#define SECRET "s3cr3t-of-the-channel"

/* The letter at ${i} of ${s} as a number below ${n}. */
static unsigned int
letter(struct slice s, size_t i, unsigned int n)
{
	return (i < s.len ? (uint8_t)s.ptr[i] % n : 0);
}

static void
check_finding(const struct outcome_answer *a, const struct outcome_finding *f)
{
	struct slice reason = slice_of(f->reason);
	size_t i;

	MUST(f->outcome >= OUTCOME_OK && f->outcome < OUTCOME__MAX);
	MUST(f->wait_ms >= 0 && f->wait_ms <= BACKOFF_WAIT_MAX_MS);
	MUST(memchr(f->reason, '\0', sizeof(f->reason)) != NULL && fuzz_is_utf8(reason));
	MUST((f->outcome == OUTCOME_OK) == (f->reason[0] == '\0'));
	for (i = 0; i < reason.len; i++)
		MUST((uint8_t)reason.ptr[i] >= 0x20);
	if (f->outcome == OUTCOME_GONE || f->outcome == OUTCOME_LOCAL)
		MUST(f->wait_ms == 0);
	if (f->outcome == OUTCOME_OK)
		MUST(a->way == OUTCOME_WAY_ANSWERED && a->status / 100 == 2);
	if (a->way == OUTCOME_WAY_EGRESS)
		MUST(f->outcome != OUTCOME_OK);
}

/* As shown to people, from the answer with a secret set into its middle. */
static void
check_excerpt(struct slice body)
{
	static const struct slice secrets[] = {
	    SLICE_LIT("https://example.com/" SECRET), SLICE_LIT(SECRET)};
	char out[EXCERPT_MAX + 1];
	struct buf b;
	size_t half = body.len / 2, i;

	buf_init(&b, 1024 * 1024);
	buf_add(&b, slice_make(body.ptr, half));
	buf_add(&b, secrets[half % 2]);
	buf_add(&b, slice_skip(body, half));
	MUST(buf_ok(&b) && excerpt_make(buf_slice(&b), secrets, 2, out) == ERR_OK);
	MUST(memchr(out, '\0', sizeof(out)) != NULL && fuzz_is_utf8(slice_of(out)));
	MUST(strstr(out, SECRET) == NULL);
	for (i = 0; out[i] != '\0'; i++)
		MUST((uint8_t)out[i] >= 0x20 && out[i] != 0x7f);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make(size == 0 ? (const void *)"" : data, size), kind;
	struct outcome_finding found, again;
	struct outcome_answer a = {0};
	uint64_t status = 0;

	kind = fuzz_line(&rest);
	a.way = letter(kind, 1, OUTCOME_WAY__MAX);
	a.step = letter(kind, 2, OUTCOME_STEP__MAX);
	a.status = text_u64(fuzz_line(&rest), 999, &status) == ERR_OK ? (int)status : 0;
	a.host = fuzz_line(&rest);
	a.retry_after = fuzz_line(&rest);
	a.rate_remaining = fuzz_line(&rest);
	a.rate_reset_after = fuzz_line(&rest);
	a.body = rest.ptr == NULL ? slice_of("") : rest;
	outcome_classify(letter(kind, 0, CHANNEL__MAX), &a, NOW_MS, &found);
	outcome_classify(letter(kind, 0, CHANNEL__MAX), &a, NOW_MS, &again);
	check_finding(&a, &found);
	MUST(found.outcome == again.outcome && strcmp(found.reason, again.reason) == 0);
	if (a.body.len < 256 * 1024)
		check_excerpt(a.body);
	return (0);
}
