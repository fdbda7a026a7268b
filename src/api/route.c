/* The table of what the API answers to. */
#include "api/route.h"

#include <string.h>

#include "api/channels.h"
#include "api/deliveries.h"
#include "api/events.h"
#include "api/ops.h"
#include "api/tenant_settings.h"

#define KIB 1024

#define CHANNELS "/v1/config/notifications"

/* clang-format off */
static const struct route routes[] = {
	{"channel.list",   "GET",    CHANNELS,             PERMISSION_CONFIG_READ,  ROUTE_PROJECT, 0, channels_list},
	{"channel.create", "POST",   CHANNELS,             PERMISSION_CONFIG_WRITE, ROUTE_PROJECT | ROUTE_ONCE, 64 * KIB, channels_create},
	/* before {id}, which would fit it, too */
	{"settings.get",   "GET",    CHANNELS "/settings", PERMISSION_CONFIG_READ,  0, 0, tenant_settings_get},
	{"settings.put",   "PUT",    CHANNELS "/settings", PERMISSION_CONFIG_WRITE, 0, 64 * KIB, tenant_settings_put},
	{"channel.get",    "GET",    CHANNELS "/{id}",     PERMISSION_CONFIG_READ,  0, 0, channels_get},
	{"channel.put",    "PUT",    CHANNELS "/{id}",     PERMISSION_CONFIG_WRITE, 0, 64 * KIB, channels_put},
	{"channel.patch",  "PATCH",  CHANNELS "/{id}",     PERMISSION_CONFIG_WRITE, 0, 64 * KIB, channels_patch},
	{"channel.delete", "DELETE", CHANNELS "/{id}",     PERMISSION_CONFIG_WRITE, 0, 0, channels_delete},
	{"channel.test",   "POST",   CHANNELS "/{id}/test", PERMISSION_CONFIG_WRITE, 0, 0, deliveries_test},
	{"delivery.list",  "GET",    CHANNELS "/{id}/deliveries", PERMISSION_CONFIG_READ, 0, 0, deliveries_list},
	/* before {deliveryId}, which would fit it, too */
	{"delivery.retry_many", "POST", CHANNELS "/{id}/deliveries/retry", PERMISSION_CONFIG_WRITE, 0, 64 * KIB, deliveries_retry_many},
	{"delivery.get",   "GET",    CHANNELS "/{id}/deliveries/{deliveryId}", PERMISSION_CONFIG_READ, 0, 0, deliveries_get},
	{"delivery.retry", "POST",   CHANNELS "/{id}/deliveries/{deliveryId}/retry", PERMISSION_CONFIG_WRITE, 0, 0, deliveries_retry},
	{"event.publish",  "POST",   "/v1/events",         PERMISSION_ANALYSIS_CREATE, ROUTE_PROJECT | ROUTE_ONCE, 256 * KIB, events_publish},
	{"event.get",      "GET",    "/v1/events/{id}",    PERMISSION_CONFIG_READ,  0, 0, events_get},
	{"healthz",        "GET",    "/healthz",           0, ROUTE_OPEN, 0, ops_health},
	{"readyz",         "GET",    "/readyz",            0, ROUTE_OPEN, 0, ops_ready},
	{"metrics",        "GET",    "/metrics",           0, ROUTE_OPEN, 0, ops_metrics},
};
/* clang-format on */

#define NROUTES (sizeof(routes) / sizeof(routes[0]))

/* Does ${path} fit ${pattern}, in which a name in braces stands for one segment? */
static bool
path_fits(const char *pattern, struct slice path, struct route_ids *ids)
{
	struct slice want = slice_of(pattern), have = path, w, h;

	ids->id = ids->delivery_id = slice_of(NULL);
	while (slice_split(&want, '/', &w)) {
		if (!slice_split(&have, '/', &h))
			return (false);
		if (slice_eq(w, slice_of("{id}")) && h.len > 0)
			ids->id = h;
		else if (slice_eq(w, slice_of("{deliveryId}")) && h.len > 0)
			ids->delivery_id = h;
		else if (!slice_eq(w, h))
			return (false);
	}
	return (have.ptr == NULL);
}

/* Is this the row's method?  GET answers HEAD (RFC 9110 §9.3.2). */
static bool
method_fits(const struct route *r, struct slice method)
{
	return (slice_eq(method, slice_of(r->method)) ||
		(strcmp(r->method, "GET") == 0 && slice_eq(method, slice_of("HEAD"))));
}

const struct route *
route_find(struct slice method, struct slice path, struct buf *allow, struct route_ids *ids)
{
	const char *taken = NULL; /* the pattern that the path fits; a later one does not count */
	size_t i;

	for (i = 0; i < NROUTES; i++) {
		if (taken != NULL ? strcmp(routes[i].path, taken) != 0
				  : !path_fits(routes[i].path, path, ids))
			continue;
		taken = routes[i].path;
		if (method_fits(&routes[i], method))
			return (&routes[i]);
		buf_printf(allow, "%s%s%s", allow->len > 0 ? ", " : "", routes[i].method,
		    strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
	}
	return (NULL);
}

enum permit_kind
route_kind(const struct route *r)
{
	return (strcmp(r->method, "GET") == 0 ? PERMIT_READ : PERMIT_WRITE);
}

size_t
route_index(const struct route *r)
{
	return (r == NULL ? NROUTES : (size_t)(r - routes));
}

const char *
route_name(size_t i)
{
	return (i < NROUTES ? routes[i].name : "none");
}

const char *
route_method(size_t i)
{
	return (i < NROUTES ? routes[i].method : "any");
}
