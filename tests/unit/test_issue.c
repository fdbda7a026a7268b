/* The list of what is wrong with a request: order, JSON, what a log may see, near names, its bound.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "domain/issue.h"

#define S63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

/* A list in an arena of its own, and a buffer to print into. */
struct fixture {
	struct arena *arena;
	struct issues list;
	struct buf b;
};

static int
setup(void **state)
{
	static struct fixture f;

	if ((f.arena = arena_new()) == NULL)
		return (-1);
	issues_init(&f.list, f.arena);
	buf_init(&f.b, 1 << 20);
	*state = &f;
	return (0);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	buf_clear(&f->b);
	arena_free(f->arena);
	return (0);
}

static void
test_json(void **state)
{
	struct fixture *f = *state;
	char path[] = "name";

	issues_json(&f->list, &f->b);
	assert_string_equal(buf_str(&f->b), "{\"issues\":[]}");
	buf_reset(&f->b);
	issue_add(&f->list, path, ISSUE_LENGTH, "must be at most %d", 255);
	path[0] = 'X'; /* the list keeps its own copy */
	issue_add(&f->list, "", ISSUE_JSON, "100%% \"wrong\"");
	issue_add_at(&f->list, slice_make("a\nb\"c", 4), ISSUE_DUPLICATE, "twice %d");
	assert_int_equal(f->list.count, 3);
	assert_false(f->list.failed);
	issues_json(&f->list, &f->b);
	assert_string_equal(buf_str(&f->b),
	    "{\"issues\":["
	    "{\"path\":\"name\",\"code\":\"length\",\"message\":\"must be at most 255\"},"
	    "{\"path\":\"\",\"code\":\"json\",\"message\":\"100% \\\"wrong\\\"\"},"
	    "{\"path\":\"a\\nb\\\"\",\"code\":\"duplicate\",\"message\":\"twice %d\"}]}");
}

static void
test_codes(void **state)
{
	static const char *const words[ISSUE__MAX] = {"required", "type", "enum", "length",
	    "format", "host", "unknown", "readonly", "reserved", "duplicate", "json"};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(words); i++)
		CHECK(words[i], strcmp(words[i], issue_code_words[i]) == 0);
}

static void
test_log_words(void **state)
{
	struct fixture *f = *state;
	size_t i;

	issues_log_words(&f->list, &f->b);
	assert_string_equal(buf_str(&f->b), "");
	issue_add(&f->list, "credentials.webhookUrl", ISSUE_HOST, "no");
	issue_add_at(&f->list, slice_of("made.up\nlevel=error"), ISSUE_DUPLICATE, "no");
	issue_add_unknown(&f->list, "credentials", slice_of("secret"), issue_code_words, 2);
	issues_log_words(&f->list, &f->b);
	assert_string_equal(buf_str(&f->b), "credentials.webhookUrl:host,?:duplicate,?:unknown");
	buf_reset(&f->b);
	for (i = 0; i < 20; i++)
		issue_add(&f->list, "name", ISSUE_TYPE, "no");
	issues_log_words(&f->list, &f->b);
	assert_string_equal(buf_str(&f->b),
	    "credentials.webhookUrl:host,?:duplicate,?:unknown,name:type,name:type,name:type,"
	    "name:type,name:type,name:type,name:type");
}

static void
test_unknown(void **state)
{
	static const char *const known[] = {"url", "authHeader", "hmacSecret"};
	static const struct {
		const char *parent, *name, *path, *message;
		size_t nknown;
	} rows[] = {
	    {"", "auth_header", "auth_header", "did you mean \"authHeader\"?", 3},
	    {"", "hmacsecrt", "hmacsecrt", "did you mean \"hmacSecret\"?", 3},
	    {"credentials", "URL", "credentials.URL", "did you mean \"url\"?", 3},
	    {"a.b", "zebra", "a.b.zebra", "use url, authHeader or hmacSecret", 3},
	    {"", "zebra", "zebra", "use url or authHeader", 2},
	    {"", "zebra", "zebra", "use url", 1},
	    {"", "", "", "use url", 1},
	    {"p", "", "p.", "use url", 1},
	    {"p", S63 "hi", "p." S63 "h", "use url", 1},
	    {"p", S63 "\xc3\xa9", "p." S63, "use url", 1}, /* é would be cut in two */
	    {"p", S63 "\xf0\x9f\x98\x80", "p." S63, "use url", 1},
	    {"p", "\xf0\x9f\x98\x80", "p.\xf0\x9f\x98\x80", "use url", 1},
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < NELEMS(rows); i++) {
		issues_init(&f->list, f->arena);
		issue_add_unknown(
		    &f->list, rows[i].parent, slice_of(rows[i].name), known, rows[i].nknown);
		CHECK(rows[i].path, f->list.count == 1);
		CHECK(rows[i].path, strcmp(f->list.first->path, rows[i].path) == 0);
		CHECK(rows[i].path, f->list.first->code == ISSUE_UNKNOWN);
		CHECK(rows[i].path, !f->list.first->path_is_known);
		CHECK(rows[i].path, strstr(f->list.first->message, rows[i].message) != NULL);
		CHECK(rows[i].path, strstr(f->list.first->message, "zebra") == NULL);
	}
}

static void
test_enum(void **state)
{
	static const char *const words[] = {"slack", "teams", "google_chat"};
	static const struct {
		const char *sent; /* NULL: missing */
		enum issue_code code;
		const char *message;
	} rows[] = {
	    {NULL, ISSUE_REQUIRED, "is missing: must be one of slack, teams or google_chat"},
	    {"slak", ISSUE_ENUM,
		"must be one of slack, teams or google_chat; did you mean \"slack\"?"},
	    {"googlechat", ISSUE_ENUM,
		"must be one of slack, teams or google_chat; did you mean \"google_chat\"?"},
	    {"pager", ISSUE_ENUM, "must be one of slack, teams or google_chat"},
	    {"", ISSUE_ENUM, "must be one of slack, teams or google_chat"},
	};
	struct fixture *f = *state;
	const char *row;
	size_t i;

	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].sent == NULL ? "(missing)" : rows[i].sent;
		issues_init(&f->list, f->arena);
		issue_add_enum(&f->list, "type", slice_of(rows[i].sent), words, NELEMS(words));
		CHECK(row, f->list.count == 1);
		CHECK(row, strcmp(f->list.first->path, "type") == 0);
		CHECK(row, f->list.first->path_is_known);
		CHECK(row, f->list.first->code == rows[i].code);
		CHECK(row, strcmp(f->list.first->message, rows[i].message) == 0);
	}
}

static void
test_type(void **state)
{
	static const struct {
		const char *json, *message;
	} rows[] = {
	    {"null", "must be a string, not null"},
	    {"true", "must be a string, not a boolean"},
	    {"12", "must be a string, not a number"},
	    {"\"s\"", "must be a string, not a string"},
	    {"[]", "must be a string, not an array"},
	    {"{}", "must be a string, not an object"},
	};
	struct fixture *f = *state;
	struct json_fault fault;
	struct json *v;
	size_t i;

	for (i = 0; i < NELEMS(rows); i++) {
		issues_init(&f->list, f->arena);
		CHECK(rows[i].json, json_parse(slice_of(rows[i].json), &v, &fault) == ERR_OK);
		issue_add_type(&f->list, "name", "a string", v);
		json_free(v);
		CHECK(rows[i].json, f->list.count == 1 && f->list.first->code == ISSUE_TYPE);
		CHECK(rows[i].json, strcmp(f->list.first->message, rows[i].message) == 0);
	}
}

static void
test_bound(void **state)
{
	static const char *const known[] = {"url"};
	struct fixture *f = *state;
	const struct issue *last;
	size_t i;

	for (i = 0; i < ISSUES_MAX; i++)
		issue_add(&f->list, "name", ISSUE_TYPE, "no %zu", i);
	assert_int_equal(f->list.count, ISSUES_MAX);
	assert_string_equal(f->list.last->message, "no 999");
	issue_add(&f->list, "name", ISSUE_TYPE, "no");
	last = f->list.last;
	assert_int_equal(f->list.count, ISSUES_MAX + 1);
	assert_string_equal(last->path, "");
	assert_non_null(strstr(last->message, "more"));
	issue_add(&f->list, "name", ISSUE_TYPE, "no");
	issue_add_at(&f->list, slice_of("x"), ISSUE_TYPE, "no");
	issue_add_unknown(&f->list, "", slice_of("x"), known, 1);
	assert_int_equal(f->list.count, ISSUES_MAX + 1);
	assert_ptr_equal(f->list.last, last);
	assert_false(f->list.failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_json, setup, teardown),
	    cmocka_unit_test(test_codes),
	    cmocka_unit_test_setup_teardown(test_log_words, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_enum, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_type, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
