/*
 * What of a request stands outside of its body: Authorization, the method, path and query, ids, and
 * the headers Content-Type, Idempotency-Key and X-Project-Id.  A route is found for its own paths
 * alone, a query parameter is in its bounds or an issue, a key is one whose checksum fits, and a
 * header that nothing is said about is what it must be.
 *
 * An input is lines: Authorization, method, target; and, each of them absent where the input ends
 * before it, Content-Type, Idempotency-Key, X-Project-Id, and the body, which goes on to the end.
 */
#include <string.h>

#include "api/admit.h"
#include "api/call.h"
#include "api/channels.h"
#include "api/deliveries.h"
#include "api/events.h"
#include "api/handle.h"
#include "api/once.h"
#include "api/ops.h"
#include "api/query.h"
#include "api/tenant_settings.h"
#include "base/crypt.h"
#include "base/log.h"
#include "fuzz.h"

static void served(struct call *c);

/* The table of routes names them: here each is a look at what the steps before have left. */
#define SERVED(name)              \
	void name(struct call *c) \
	{                         \
		served(c);        \
	}
SERVED(channels_list)
SERVED(channels_create)
SERVED(channels_get)
SERVED(channels_put)
SERVED(channels_patch)
SERVED(channels_delete)
SERVED(tenant_settings_get)
SERVED(tenant_settings_put)
SERVED(deliveries_test)
SERVED(deliveries_list)
SERVED(deliveries_retry_many)
SERVED(deliveries_get)
SERVED(deliveries_retry)
SERVED(events_publish)
SERVED(events_get)
SERVED(ops_health)
SERVED(ops_ready)
SERVED(ops_metrics)

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

/* What is said of the request, as its answer would. */
static bool
is_told(const struct call *c, const char *path)
{
	struct buf json;
	struct json *tree;
	struct json_fault fault;
	char quoted[64];
	bool is;

	snprintf(quoted, sizeof(quoted), "\"%s\"", path);
	buf_init(&json, 1024 * 1024);
	issues_json(&c->issues, &json);
	MUST(!c->issues.failed && buf_ok(&json) && fuzz_is_utf8(buf_slice(&json)));
	MUST(json_parse(buf_slice(&json), &tree, &fault) == ERR_OK);
	json_free(tree);
	is = strstr(buf_str(&json), quoted) != NULL;
	buf_clear(&json);
	return (is);
}

/* A project's id, or something is said and nothing else is. */
static void
check_project(const struct call *c)
{
	const struct slice sent = c->in->project_id;
	char text[UUID_TEXT_SIZE];

	MUST(is_told(c, "header.X-Project-Id") == c->caller.project_is_bad);
	MUST((sent.ptr != NULL) == (c->caller.has_project || c->caller.project_is_bad));
	MUST(!c->caller.has_project || !c->caller.project_is_bad);
	if (c->caller.project_is_bad)
		MUST(c->issues.count == 1 && c->body == NULL && c->refusal == REFUSAL_NONE);
	if (!c->caller.has_project)
		return;
	uuid_text(&c->caller.project, text);
	MUST(slice_eq_nocase(sent, slice_of(text)));
}

/* One to 255 visible characters, and no list; then the same request has the same MACs. */
static void
check_once(struct call *c)
{
	const struct slice key = c->in->idempotency_key;
	struct store_once first;
	size_t i;

	if ((c->route->flags & ROUTE_ONCE) == 0 || c->caller.project_is_bad || c->id_is_bad ||
	    is_told(c, "header.Idempotency-Key"))
		return;
	if (key.ptr != NULL)
		MUST(key.len >= 1 && key.len <= 255);
	for (i = 0; key.ptr != NULL && i < key.len; i++)
		MUST((uint8_t)key.ptr[i] > ' ' && (uint8_t)key.ptr[i] < 0x7f);
	MUST(once_make(c, "{}", "/") == ERR_OK && c->once.is_asked == (key.ptr != NULL));
	first = c->once;
	MUST(once_make(c, "{}", "/") == ERR_OK);
	if (first.is_asked)
		MUST(memcmp(first.key_mac, c->once.key_mac, sizeof(first.key_mac)) == 0 &&
		     memcmp(first.mac, c->once.mac, sizeof(first.mac)) == 0);
}

/* By other code than the product's: all but blanks, in small letters, is one of these spellings. */
static bool
is_json(struct slice type)
{
	static const char *const begin = "application/json", *const more[] = {"charset=utf-8",
								 "charset=\"utf-8\""};
	char text[4096];
	const char *at = text;
	size_t i, n = 0, k;

	for (i = 0; i < type.len && n + 1 < sizeof(text); i++) {
		if (type.ptr[i] != ' ' && type.ptr[i] != '\t')
			text[n++] =
			    (char)(type.ptr[i] >= 'A' && type.ptr[i] <= 'Z' ? type.ptr[i] + 32
									    : type.ptr[i]);
	}
	text[n] = '\0';
	if (n != strlen(text) || strncmp(at, begin, strlen(begin)) != 0)
		return (false);
	for (at += strlen(begin); *at == ';';) {
		at++;
		for (k = 0; k < 2; k++) {
			if (strncmp(at, more[k], strlen(more[k])) == 0) {
				at += strlen(more[k]);
				break;
			}
		}
	}
	return (*at == '\0');
}

/* The body is looked at where it is JSON that is allowed to be: then it is there, or something is
 * said of it. */
static void
check_type(const struct call *c)
{
	const struct slice type = c->in->content_type;

	if (c->route->body_max == 0 || c->caller.project_is_bad) {
		MUST(c->body == NULL && c->refusal == REFUSAL_NONE);
		return;
	}
	if (c->refusal != REFUSAL_MEDIA_TYPE)
		MUST(is_json(type));
	else
		MUST(!slice_eq_nocase(type, slice_of("application/json")) &&
		     !slice_eq_nocase(type, slice_of("application/json; charset=utf-8")) &&
		     !slice_eq_nocase(type, slice_of("application/json;charset=\"utf-8\"")));
	MUST(c->body == NULL || c->refusal == REFUSAL_NONE);
	if (c->refusal == REFUSAL_NONE && c->issues.count == 0)
		MUST(c->body != NULL);
}

/* Stands in for every route's own work. */
static void
served(struct call *c)
{
	if ((c->route->flags & ROUTE_OPEN) == 0) {
		check_project(c);
		check_once(c);
		check_type(c);
	}
	reply_data(c->out, 200, slice_of("{}"));
}

void
admit_headers(struct call *c)
{
	(void)c;
}

/* Stands in for the web server: what reaches it is one whole answer, ours or that of served(). */
enum err
gate_answer(struct gate *g, int status, struct slice headers, struct slice body)
{
	struct json *tree;
	struct json_fault fault;

	(void)g;
	MUST(status == 200 || status == 404 || status == 405);
	MUST(headers.len > 2 && memcmp(headers.ptr + headers.len - 2, "\r\n", 2) == 0);
	MUST(json_parse(body, &tree, &fault) == ERR_OK);
	json_free(tree);
	return (ERR_OK);
}

/* What a worker has; with a good key, which no input would guess. */
static const struct api *
worker(struct slice *authorization)
{
	static struct settings settings = {.request_deadline_ms = 1000};
	static struct api api = {.settings = &settings};
	static char bearer[APIKEY_TEXT_SIZE + 8] = "Bearer ";
	char display[APIKEY_DISPLAY_SIZE];
	struct apikey key;

	if (api.arena == NULL) {
		log_setup("fuzz", LOG_LEVEL_ERROR);
		MUST(crypt_init() == ERR_OK && (api.arena = arena_new()) != NULL);
		api.clock = clock_system();
		apikey_generate(APIKEY_SECRET, bearer + strlen(bearer), display, &key);
	}
	*authorization = slice_of(bearer);
	return (&api);
}

/* The next line, absent where there is none. */
static struct slice
field(struct slice *rest)
{
	struct slice line = {NULL, 0};

	(void)slice_split(rest, '\n', &line);
	return (line);
}

/* Through the steps of a request, before its route's own work. */
static void
check_headers(struct slice method, struct slice target, struct slice rest)
{
	struct gate_request in = {.id = slice_of("id"), .method = method, .target = target};
	struct api api = *worker(&in.authorization);

	in.content_type = field(&rest);
	in.idempotency_key = field(&rest);
	in.project_id = field(&rest);
	buf_init(&in.body, 1024 * 1024);
	buf_add(&in.body, rest.ptr == NULL ? slice_of("") : rest);
	(void)buf_str(&in.body);
	handle(&api, NULL, &in);
	buf_clear(&in.body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make(size == 0 ? (const void *)"" : data, size), method, path,
		     query, headers;
	struct uuid id, again;
	char text[UUID_TEXT_SIZE];

	check_key(fuzz_line(&rest));
	method = fuzz_line(&rest);
	headers = rest;
	rest = fuzz_line(&headers);
	query = rest;
	(void)slice_split(&query, '?', &path);
	check_route(method, path);
	check_query(rest);
	check_headers(method, rest, headers);
	if (uuid_parse(rest, &id) == ERR_OK) {
		uuid_text(&id, text);
		MUST(slice_eq_nocase(rest, slice_of(text)));
		MUST(uuid_parse(slice_of(text), &again) == ERR_OK && uuid_equal(&id, &again));
	}
	return (0);
}
