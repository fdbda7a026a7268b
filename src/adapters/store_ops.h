#ifndef ADAPTERS_STORE_OPS_H
#define ADAPTERS_STORE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "adapters/db.h"
#include "adapters/db_loop.h"
#include "base/buf.h"
#include "base/mem.h"

/** What the database says of itself and of those who deliver. */
struct store_readiness {
	int64_t version; /* of the schema; 0: there is none */
	bool is_writable;
	int64_t overdue_s; /* for how long the oldest delivery that could go has waited */
	int64_t beat_s;    /* since the last beat of a courier's heart; -1: there was none */
	bool has_courier;  /* one has beaten its heart within three leases */
	const char *local; /* type of channels that a fault of our own holds up; NULL: none */
};

/**
 * store_schema_query(who):
 * The question that db_options' schema_query is to be, by who may ask it.
 */
enum store_who { STORE_OF_API, STORE_OF_COURIER };
const struct db_query *store_schema_query(enum store_who who);

/**
 * store_ready(db, deadline_ms, arena, out):
 * Ask for all of that; the texts live as long as ${arena}.  Errors as db_call()'s, and ERR_NOMEM.
 */
enum err store_ready(struct db *db, int64_t deadline_ms, struct arena *arena,
    struct store_readiness *out) MUST_CHECK;

/**
 * store_held(db, deadline_ms, arena, why):
 * Is the queue held?  Then ${why} says since when and why, and lives as long as ${arena}; else it
 * is NULL.  Errors as db_call()'s, and ERR_NOMEM.
 */
enum err store_held(
    struct db *db, int64_t deadline_ms, struct arena *arena, const char **why) MUST_CHECK;

/**
 * store_key_retired(db, id, deadline_ms, retired):
 * May nothing be sealed any more to the key with ${id}, KEYRING_ID_LEN bytes?  Errors as
 * db_call()'s.
 */
enum err store_key_retired(
    struct db *db, const uint8_t *id, int64_t deadline_ms, bool *retired) MUST_CHECK;

/**
 * store_metrics(db, deadline_ms, out):
 * Append the counts that couriers make to ${out}, in Prometheus' text format.  Errors as
 * db_call()'s.
 */
enum err store_metrics(struct db *db, int64_t deadline_ms, struct buf *out) MUST_CHECK;

/**
 * store_housekeep_ask(d, batch, done, ctx), store_housekeep_is_more(rows):
 * Do what must be done once a minute, deleting at most ${batch} rows of a kind; should it be called
 * again at once?
 */
enum err store_housekeep_ask(
    struct db_loop *d, int64_t batch, db_loop_done *done, void *ctx) MUST_CHECK;
bool store_housekeep_is_more(const struct db_rows *rows);

/**
 * store_history_ask(d, history_s, done, ctx):
 * Drop the weeks of events, deliveries and attempts that are older than ${history_s} seconds.
 */
enum err store_history_ask(
    struct db_loop *d, int64_t history_s, db_loop_done *done, void *ctx) MUST_CHECK;

#endif
