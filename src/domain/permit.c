/* The permits that a worker holds: who holds one may serve a request without asking first. */
#include "domain/permit.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES 1024 /* a power of two; 100 KiB, of which only what is used is there */

struct permit_stock {
	struct permit entries[ENTRIES];
};

const char *const permit_kind_words[PERMIT__MAX] = {
    [PERMIT_READ] = "read",
    [PERMIT_WRITE] = "write",
};

struct permit_stock *
permit_stock_new(void)
{
	return (calloc(1, sizeof(struct permit_stock)));
}

void
permit_stock_free(struct permit_stock *s)
{
	free(s);
}

/* The one entry that a key may have: its digest is as good as random already. */
static struct permit *
place(struct permit_stock *s, const uint8_t digest[APIKEY_DIGEST_LEN], enum permit_kind kind)
{
	unsigned int n = ((unsigned int)digest[0] << 8 | digest[1]) * PERMIT__MAX + kind;

	return (&s->entries[n % ENTRIES]);
}

struct permit *
permit_take(struct permit_stock *s, const uint8_t digest[APIKEY_DIGEST_LEN], enum permit_kind kind,
    int64_t now_ms)
{
	struct permit *p = place(s, digest, kind);

	if (p->held == 0 || now_ms >= p->ends_ms || p->kind != kind ||
	    memcmp(p->digest, digest, sizeof(p->digest)) != 0)
		return (NULL);
	p->held--;
	return (p);
}

struct permit *
permit_put(struct permit_stock *s, const uint8_t digest[APIKEY_DIGEST_LEN], enum permit_kind kind,
    const struct permit_grant *grant, int64_t asked_ms)
{
	struct permit *p = place(s, digest, kind);

	if (grant->granted <= 0)
		return (NULL);
	memcpy(p->digest, digest, sizeof(p->digest));
	p->kind = kind;
	p->held = grant->granted - 1;
	/* the database looked at its clock after the question was sent: so this ends no later than
	 * there */
	p->ends_ms = asked_ms + grant->reset_ms;
	p->grant = *grant;
	return (p);
}

void
permit_return(struct permit *p)
{
	p->held++;
}

int64_t
permit_left(const struct permit *p)
{
	return (p->grant.remaining + p->held);
}
