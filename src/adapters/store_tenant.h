#ifndef ADAPTERS_STORE_TENANT_H
#define ADAPTERS_STORE_TENANT_H

#include "adapters/store_access.h"

/**
 * store_settings_get(db, who, deadline_ms, out, json):
 * Append the JSON object of the tenant's settings to ${json}.  Errors as db_call()'s.
 */
enum err store_settings_get(struct db *db, const struct store_caller *who, int64_t deadline_ms,
    struct ruling *out, struct buf *json) MUST_CHECK;

/**
 * store_settings_set(db, who, call, threshold, deadline_ms, out):
 * Change them.  ${call} is this call's id: one that is repeated does nothing twice.
 */
enum err store_settings_set(struct db *db, const struct store_caller *who, const struct uuid *call,
    enum severity threshold, int64_t deadline_ms, struct ruling *out) MUST_CHECK;

#endif
