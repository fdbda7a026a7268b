#ifndef DOMAIN_ISSUE_H
#define DOMAIN_ISSUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

/* More than this of one request are not listed, so that 64 KiB of commas do not make an answer of
 * megabytes. */
#define ISSUES_MAX 1000

/** The codes of contract §3, "Validation errors". */
enum issue_code {
	ISSUE_REQUIRED = 0,
	ISSUE_TYPE,
	ISSUE_ENUM,
	ISSUE_LENGTH,
	ISSUE_FORMAT,
	ISSUE_HOST,
	ISSUE_UNKNOWN,
	ISSUE_READONLY,
	ISSUE_RESERVED,
	ISSUE_DUPLICATE,
	ISSUE_JSON,
	ISSUE__MAX
};

extern const char *const issue_code_words[ISSUE__MAX];

/** One thing that is wrong with a request. */
struct issue {
	const struct issue *next;
	const char
	    *path; /* credentials.webhookUrl, header.X-Project-Id, …; "" is the body itself */
	enum issue_code code;
	bool path_is_known;  /* the path is made of our own words, so a log may bear it */
	const char *message; /* for a person; quotes no value that was sent */
};

/**
 * All that is wrong with a request, in the order it was found.  Behind ISSUES_MAX comes one at ""
 * that says that there are more.
 */
struct issues {
	struct arena *arena;
	const struct issue *first;
	struct issue *last;
	size_t count;
	bool failed; /* no memory for one: the request ends as 500 */
};

/**
 * issues_init(list, arena):
 * Make ${list} empty; what is added lives in ${arena}.
 */
void issues_init(struct issues *list, struct arena *arena);

/**
 * issue_add(list, path, code, fmt, ...):
 * Add an issue at ${path}, which is one of our own names (it may be logged).
 */
void issue_add(struct issues *list, const char *path, enum issue_code code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/**
 * issue_add_type(list, path, want, got):
 * Add ISSUE_TYPE: the value must be ${want} ("a string"), not what ${got} is.
 */
void issue_add_type(
    struct issues *list, const char *path, const char *want, const struct json *got);

/**
 * issue_add_enum(list, path, sent, words, nwords):
 * Add ISSUE_ENUM: the value must be one of ${words}; names the one that ${sent} was most likely
 * meant to be.  Where ${sent} is absent the field is missing: ISSUE_REQUIRED, with the same list.
 */
void issue_add_enum(struct issues *list, const char *path, struct slice sent,
    const char *const words[], size_t nwords);

/**
 * issue_add_unknown(list, parent, name, known, nknown):
 * Add ISSUE_UNKNOWN for the field ${name} inside ${parent} ("" at the top); the message names
 * the nearest of ${known}, or lists them all where none is near.
 */
void issue_add_unknown(struct issues *list, const char *parent, struct slice name,
    const char *const known[], size_t nknown);

/**
 * issue_add_at(list, path, code, message):
 * Add an issue whose ${path} holds what the sender wrote (never logged).  Copies both texts.
 */
void issue_add_at(
    struct issues *list, struct slice path, enum issue_code code, const char *message);

/**
 * issues_json(list, b):
 * Append {"issues":[{"path":…,"code":…,"message":…},…]} to ${b}.
 */
void issues_json(const struct issues *list, struct buf *b);

/**
 * issues_log_words(list, b):
 * Append "path:code" of each issue, commas between, for a log line; a path that the
 * sender made up stands as "?".  At most 10 of them.
 */
void issues_log_words(const struct issues *list, struct buf *b);

#endif
