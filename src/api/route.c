/* The table of what the API answers to. */
#include "api/route.h"

#include "api/channels.h"

#define KIB 1024

/* clang-format off */
static const struct route routes[] = {
	{"channel.create", "POST", "/v1/config/notifications", PERMISSION_CONFIG_WRITE, 64 * KIB, channels_create},
};
/* clang-format on */

const struct route *
route_find(struct slice method, struct slice path, struct buf *allow)
{
	size_t i;

	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!slice_eq(path, slice_of(routes[i].path)))
			continue;
		if (slice_eq(method, slice_of(routes[i].method)))
			return (&routes[i]);
		buf_printf(allow, "%s%s", allow->len > 0 ? ", " : "", routes[i].method);
	}
	return (NULL);
}
