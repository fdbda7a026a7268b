/* The parameters behind the '?' of a request's target. */
#include "api/query.h"

#include "api/call.h"
#include "base/url.h"

/* Find ${name}; true where it stands there once, and its value, decoded, in ${value}. */
static bool
find(struct call *c, const char *name, const char *path, struct slice *value)
{
	struct slice rest = c->in->target, part, key;
	size_t count = 0;

	(void)slice_split(&rest, '?', &part);
	while (slice_split(&rest, '&', &part)) {
		(void)slice_split(&part, '=', &key);
		if (!slice_eq(url_unescape(c->arena, key), slice_of(name)))
			continue;
		*value = part.ptr == NULL ? slice_of("") : url_unescape(c->arena, part);
		count++;
	}
	if (count > 1)
		issue_add(
		    &c->issues, path, ISSUE_DUPLICATE, "was sent more than once; send it once");
	return (count == 1);
}

bool
query_int(struct call *c, const char *name, int64_t min, int64_t max, int64_t *out)
{
	char *path = arena_printf(c->arena, "query.%s", name);
	struct slice value;
	uint64_t n = 0;

	if (path == NULL || !find(c, name, path, &value))
		return (false);
	if (text_u64(value, (uint64_t)max, &n) != ERR_OK || n < (uint64_t)min) {
		issue_add(&c->issues, path, ISSUE_FORMAT,
		    "must be a whole number from %lld to %lld", (long long)min, (long long)max);
		return (false);
	}
	*out = (int64_t)n;
	return (true);
}

bool
query_bool(struct call *c, const char *name, bool *out)
{
	char *path = arena_printf(c->arena, "query.%s", name);
	struct slice value;

	if (path == NULL || !find(c, name, path, &value))
		return (false);
	if (!slice_eq(value, slice_of("true")) && !slice_eq(value, slice_of("false"))) {
		issue_add(&c->issues, path, ISSUE_ENUM, "must be true or false");
		return (false);
	}
	*out = slice_eq(value, slice_of("true"));
	return (true);
}

bool
query_word(
    struct call *c, const char *name, const char *const words[], size_t nwords, struct slice *out)
{
	char *path = arena_printf(c->arena, "query.%s", name);
	struct slice value;
	size_t i;

	if (path == NULL || !find(c, name, path, &value))
		return (false);
	for (i = 0; i < nwords; i++) {
		if (slice_eq(value, slice_of(words[i]))) {
			*out = slice_of(words[i]);
			return (true);
		}
	}
	issue_add_enum(&c->issues, path, value, words, nwords);
	return (false);
}

bool
query_uuid(struct call *c, const char *name, struct uuid *out)
{
	char *path = arena_printf(c->arena, "query.%s", name);
	struct slice value;

	if (path == NULL || !find(c, name, path, &value))
		return (false);
	if (uuid_parse(value, out) == ERR_OK)
		return (true);
	issue_add(&c->issues, path, ISSUE_FORMAT,
	    "must be the nextCursor of an earlier answer, as it was");
	return (false);
}
