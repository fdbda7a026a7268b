/* What a tenant can set for itself, as rows. */
#include "adapters/store_tenant.h"

#include "sql_queries.h"

#define NPARAMS(p) (sizeof(p) / sizeof((p)[0]))

enum err
store_settings_get(struct db *db, const struct store_caller *who, int64_t deadline_ms,
    struct ruling *out, struct buf *json)
{
	char project[UUID_TEXT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	};

	return (
	    store_show(db, &Q_API_SETTINGS_GET, params, NPARAMS(params), deadline_ms, out, json));
}

enum err
store_settings_set(struct db *db, const struct store_caller *who, const struct uuid *call,
    enum severity threshold, int64_t deadline_ms, struct ruling *out)
{
	char project[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE], number[DB_INT_SIZE];
	const struct db_param params[] = {
	    db_param_bytes(who->digest, sizeof(who->digest)),
	    store_project(who, project),
	    db_param_uuid(call, id),
	    db_param_int(threshold, number),
	};

	return (
	    store_show(db, &Q_API_SETTINGS_SET, params, NPARAMS(params), deadline_ms, out, NULL));
}
