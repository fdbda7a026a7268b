#ifndef DOMAIN_PERMIT_H
#define DOMAIN_PERMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/apikey.h"

/** Reading and writing requests have limits of their own (contract §6). */
enum permit_kind { PERMIT_READ = 0, PERMIT_WRITE, PERMIT__MAX };

/* "read", "write". */
extern const char *const permit_kind_words[PERMIT__MAX];

#define PERMIT_UNLIMITED (-1)

/** What the database says of a key's running minute, and how many permits it handed out. */
struct permit_grant {
	int64_t limit; /* requests a minute; PERMIT_UNLIMITED */
	int64_t
	    granted; /* permits handed out with this; 0: none were asked for, or none are left */
	int64_t remaining; /* what is left for anybody after that */
	int64_t reset_s;   /* when the minute ends, Unix seconds */
	int64_t reset_ms;  /* how long until then */
};

/** The permits that a worker holds for one key and kind; they end with their minute. */
struct permit {
	uint8_t digest[APIKEY_DIGEST_LEN];
	enum permit_kind kind;
	int64_t held;
	int64_t ends_ms; /* monotonic; 0: this entry is free */
	struct permit_grant grant;
};

/**
 * A worker's stock of permits, so that not each request must ask the database for one (design §3).
 * Two keys that fall on one entry push each other out, and lose what they held.
 */
struct permit_stock;

/**
 * permit_stock_new(), permit_stock_free(s):
 * Make an empty stock.  NULL: no memory.  The free takes NULL.
 */
struct permit_stock *permit_stock_new(void);
void permit_stock_free(struct permit_stock *s);

/**
 * permit_take(s, digest, kind, now_ms):
 * Use up one permit that is held for the key of ${digest}.  ${now_ms} is the monotonic clock's.
 * NULL: none is held, or their minute is over.
 */
struct permit *permit_take(struct permit_stock *s, const uint8_t digest[APIKEY_DIGEST_LEN],
    enum permit_kind kind, int64_t now_ms);

/**
 * permit_put(s, digest, kind, grant, asked_ms):
 * Keep what was granted to a question that was sent at ${asked_ms}, and use up one of it.  NULL:
 * nothing was granted.
 */
struct permit *permit_put(struct permit_stock *s, const uint8_t digest[APIKEY_DIGEST_LEN],
    enum permit_kind kind, const struct permit_grant *grant, int64_t asked_ms);

/**
 * permit_return(p):
 * Give back one that was taken: the request was refused before its limit counts.
 */
void permit_return(struct permit *p);

/**
 * permit_left(p):
 * How many requests the key has left in this minute, as far as this worker knows.
 */
int64_t permit_left(const struct permit *p);

#endif
