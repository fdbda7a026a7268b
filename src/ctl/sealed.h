#ifndef CTL_SEALED_H
#define CTL_SEALED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "domain/keyring.h"

/** The values of a credential: the one that holds, and the one before it while that overlaps. */
enum sealed_which { SEALED_CURRENT = 0, SEALED_PREVIOUS, SEALED__MAX };
extern const char *const sealed_words[SEALED__MAX];

/** A credential field as it is stored.  The texts end with a NUL. */
struct sealed_row {
	struct slice tenant, channel, field, type;
	struct slice boxes[SEALED__MAX]; /* absent: there is none, or it was left out */
};

/** Who goes through all of them.  An error of theirs ends it. */
struct sealed_visitor {
	enum err (*on_row)(void *ctx, const struct sealed_row *row);
	enum err (*on_page)(void *ctx); /* behind every page */
	void *ctx;
	int64_t page; /* rows of one */
};

/**
 * sealed_walk(ctl, except, visitor):
 * Read every stored credential, page by page in the order of their primary key, without holding a
 * transaction open; values that are sealed to the key ${except} (its id in hex; NULL: none) are
 * left out of the rows.  Errors of the database are told in ${ctl}->why.
 */
enum err sealed_walk(
    const struct ctl *ctl, const char *except, const struct sealed_visitor *visitor) MUST_CHECK;

/** What opens values: keys, contexts and the opened value, in locked memory. */
struct sealed_opener {
	struct seal_ring *seals;
	uint8_t *plain; /* of SEAL_PLAIN_MAX bytes */
};

/**
 * sealed_opener_init(ctl, o, ring), sealed_opener_clear(o):
 * Make an opener over ${ring} (borrowed); wipe it and give it back.  ERR_NOMEM: told.
 *
 * sealed_open(o, row, which, len):
 * Open a value of ${row} into o->plain.  Errors as seal_open().
 */
enum err sealed_opener_init(
    const struct ctl *ctl, struct sealed_opener *o, const struct keyring *ring) MUST_CHECK;
void sealed_opener_clear(struct sealed_opener *o);
enum err sealed_open(struct sealed_opener *o, const struct sealed_row *row, enum sealed_which which,
    size_t *len) MUST_CHECK;

#define SEALED_FAULTS_MAX 100 /* that are named; the others are counted */

/** Values that could not be opened. */
struct sealed_faults {
	size_t n, nnamed;
	struct slice cells[4 * SEALED_FAULTS_MAX];
};

/**
 * sealed_fault(ctl, f, row, which, e):
 * Note that a value could not be opened because of ${e}: its place, nothing of its content.
 *
 * sealed_faults_print(ctl, f, json):
 * Append them to ${json} as an array; or to ${ctl}->out as a table where ${json} is NULL.
 */
enum err sealed_fault(const struct ctl *ctl, struct sealed_faults *f, const struct sealed_row *row,
    enum sealed_which which, enum err e) MUST_CHECK;
enum err sealed_faults_print(
    const struct ctl *ctl, const struct sealed_faults *f, struct buf *json) MUST_CHECK;

/**
 * sealed_counts(ctl, total, of_key, key):
 * Count all stored values into ${total}, and into ${of_key} those that need the key with the id
 * ${key}, in hex (NULL: none asked for).  Errors are told in ${ctl}->why.
 */
enum err sealed_counts(
    const struct ctl *ctl, int64_t *total, int64_t *of_key, const char *key) MUST_CHECK;

#endif
