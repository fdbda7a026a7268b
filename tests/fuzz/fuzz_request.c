/*
 * What of a request stands outside of its body: Authorization, the method, path and query, ids.  A
 * route is found for its own paths alone, a query parameter is in its bounds or an issue, and a key
 * is one whose checksum fits.
 *
 * An input is three lines: Authorization, method, target.
 */
#include <string.h>

#include "api/call.h"
#include "api/channels.h"
#include "api/deliveries.h"
#include "api/events.h"
#include "api/ops.h"
#include "api/query.h"
#include "api/tenant_settings.h"
#include "fuzz.h"

/* The table of routes names them; here nothing is run. */
#define NOT_RUN(name)             \
	void name(struct call *c) \
	{                         \
		(void)c;          \
		abort();          \
	}
NOT_RUN(channels_list)
NOT_RUN(channels_create)
NOT_RUN(channels_get)
NOT_RUN(channels_put)
NOT_RUN(channels_patch)
NOT_RUN(channels_delete)
NOT_RUN(tenant_settings_get)
NOT_RUN(tenant_settings_put)
NOT_RUN(deliveries_test)
NOT_RUN(deliveries_list)
NOT_RUN(deliveries_retry_many)
NOT_RUN(deliveries_get)
NOT_RUN(deliveries_retry)
NOT_RUN(events_publish)
NOT_RUN(events_get)
NOT_RUN(ops_health)
NOT_RUN(ops_ready)
NOT_RUN(ops_metrics)

static void
check_key(struct slice header)
{
	struct slice token, crc;
	struct apikey key;
	size_t i;

	if (!apikey_bearer(header, &token))
		return;
	MUST(token.len > 0 && token.ptr > header.ptr &&
	     token.ptr + token.len <= header.ptr + header.len);
	if (apikey_parse(token, &key) != APIKEY_FORM_OK)
		return;
	MUST(token.len < APIKEY_TEXT_SIZE && slice_starts(token, slice_of("ss_")));
	MUST(key.kind < APIKEY__MAX);
	crc = slice_skip(token, token.len - 6);
	for (i = 0; i < crc.len; i++)
		MUST((crc.ptr[i] >= '0' && crc.ptr[i] <= '9') ||
		     ((crc.ptr[i] | 0x20) >= 'a' && (crc.ptr[i] | 0x20) <= 'z'));
}

/* Put ${ids} into the pattern: that is the path again. */
static void
check_pattern(const struct route *r, struct slice path, const struct route_ids *ids)
{
	struct slice rest = slice_of(r->path), part;
	struct buf b;
	bool first = true;

	buf_init(&b, 1024 * 1024);
	while (slice_split(&rest, '/', &part)) {
		if (!first)
			buf_addc(&b, '/');
		first = false;
		if (slice_eq(part, slice_of("{id}")))
			part = ids->id;
		else if (slice_eq(part, slice_of("{deliveryId}")))
			part = ids->delivery_id;
		buf_add(&b, part);
	}
	MUST(buf_ok(&b) && slice_eq(buf_slice(&b), path));
	buf_clear(&b);
}

static void
check_route(struct slice method, struct slice path)
{
	struct route_ids ids;
	const struct route *r;
	struct buf allow;

	buf_init(&allow, 1024);
	r = route_find(method, path, &allow, &ids);
	MUST(buf_ok(&allow));
	if (r != NULL) {
		MUST(slice_eq(method, slice_of(r->method)) ||
		     (slice_eq(method, slice_of("HEAD")) && strcmp(r->method, "GET") == 0));
		check_pattern(r, path, &ids);
	} else if (allow.len > 0) {
		MUST(memmem(allow.ptr, allow.len, ", ,", 3) == NULL);
	}
	buf_clear(&allow);
}

static void
check_query(struct slice target)
{
	static const char *const words[] = {"failed", "delivered"};
	struct gate_request in = {.target = target};
	struct call c = {.in = &in};
	struct slice word = {NULL, 0};
	struct buf json;
	struct json *tree;
	struct json_fault fault;
	int64_t n = -7;
	struct uuid id;
	char text[UUID_TEXT_SIZE];
	bool b;

	MUST((c.arena = arena_new()) != NULL);
	issues_init(&c.issues, c.arena);
	if (query_int(&c, "limit", 1, 100, &n))
		MUST(n >= 1 && n <= 100);
	else
		MUST(n == -7);
	(void)query_bool(&c, "includeInactive", &b);
	if (query_word(&c, "status", words, 2, &word))
		MUST(slice_eq(word, slice_of("failed")) || slice_eq(word, slice_of("delivered")));
	if (query_uuid(&c, "cursor", &id)) {
		uuid_text(&id, text);
		MUST(strlen(text) == UUID_TEXT_SIZE - 1);
	}
	MUST(c.issues.count <= 4 && !c.issues.failed);
	buf_init(&json, 65536);
	issues_json(&c.issues, &json);
	MUST(buf_ok(&json) && json_parse(buf_slice(&json), &tree, &fault) == ERR_OK);
	json_free(tree);
	buf_clear(&json);
	arena_free(c.arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make(size == 0 ? (const void *)"" : data, size), method, path,
		     query;
	struct uuid id, again;
	char text[UUID_TEXT_SIZE];

	check_key(fuzz_line(&rest));
	method = fuzz_line(&rest);
	if (rest.ptr == NULL)
		rest = slice_of("");
	query = rest;
	(void)slice_split(&query, '?', &path);
	check_route(method, path);
	check_query(rest);
	if (uuid_parse(rest, &id) == ERR_OK) {
		uuid_text(&id, text);
		MUST(slice_eq_nocase(rest, slice_of(text)));
		MUST(uuid_parse(slice_of(text), &again) == ERR_OK && uuid_equal(&id, &again));
	}
	return (0);
}
