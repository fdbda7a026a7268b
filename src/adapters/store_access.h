#ifndef ADAPTERS_STORE_ACCESS_H
#define ADAPTERS_STORE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "domain/channel.h"
#include "domain/permit.h"
#include "domain/verdict.h"

/** Who asks, as far as the request itself says. */
struct store_caller {
	uint8_t digest[APIKEY_DIGEST_LEN]; /* SHA-256 of the API key */
	bool has_project;                  /* X-Project-Id was sent, and is a UUID */
	bool project_is_bad;               /* … was sent, and is none */
	struct uuid project;
};

/** What a request needs to be let in. */
struct store_need {
	const char *permission; /* "config:write" */
	bool project;           /* it is about one project */
	enum permit_kind kind;
	bool take;                  /* permits: the caller holds none */
	const struct uuid *channel; /* that it is about; NULL: none */
};

/** What the database says to that, beside the ruling. */
struct admission {
	bool is_known; /* the key is good: `permits` may be told */
	struct permit_grant permits;
	bool has_channel;         /* there is that channel, and the key reaches it; then: */
	bool channel_is_writable; /* false: a project's key, and the channel is the tenant's */
	struct channel_current channel;
};

/**
 * store_admit(db, who, need, deadline_ms, arena, ruling, out):
 * Ask whether ${who} may do what has ${need}; texts in ${out} live in ${arena}.  Errors as
 * db_call()'s.
 */
enum err store_admit(struct db *db, const struct store_caller *who, const struct store_need *need,
    int64_t deadline_ms, struct arena *arena, struct ruling *ruling,
    struct admission *out) MUST_CHECK;

/**
 * store_ask(db, query, params, nparams, deadline_ms, ruling, rows):
 * For the other store rooms: make the call, and read the four columns with which every function of
 * schema api begins.  ${rows} (freed by the caller in every case) has one row.  Errors as
 * db_call()'s.
 */
enum err store_ask(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t deadline_ms, struct ruling *ruling, struct db_rows **rows) MUST_CHECK;

/**
 * store_show(db, query, params, nparams, deadline_ms, ruling, json):
 * The same where the fifth column, if there is one, is the data of the answer: append it to ${json}
 * (which may be NULL).
 */
enum err store_show(struct db *db, const struct db_query *query, const struct db_param *params,
    size_t nparams, int64_t deadline_ms, struct ruling *ruling, struct buf *json) MUST_CHECK;

/**
 * store_project(who, text):
 * X-Project-Id as a parameter; NULL where none was sent.  ${text} must outlive the call.
 */
struct db_param store_project(const struct store_caller *who, char text[UUID_TEXT_SIZE]);

#endif
