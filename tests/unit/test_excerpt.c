/* What is kept of an answer: no secret in any dress, valid printable UTF-8, at most 1 KiB. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "domain/excerpt.h"

/* Keep ${answer}, in memory that ends where it ends, so that a checker sees a read behind it. */
static void
make(struct slice answer, const char *secret, char out[EXCERPT_MAX + 1])
{
	struct slice secrets[] = {slice_of(NULL), slice_of(secret), slice_of("")};
	char *copy = malloc(answer.len + 1);

	assert_non_null(copy);
	copy = realloc(copy, answer.len == 0 ? 1 : answer.len);
	memcpy(copy, answer.ptr, answer.len);
	memset(out, 'x', EXCERPT_MAX + 1);
	assert_int_equal(
	    excerpt_make(slice_make(copy, answer.len), secrets, NELEMS(secrets), out), ERR_OK);
	assert_true(text_utf8_count(slice_of(out)) <= EXCERPT_MAX);
	free(copy);
}

/* clang-format off */
static void
struck_out(void **state)
{
	static const struct {
		const char *secret, *answer, *excerpt;
	} rows[] = {
		/* as it stands */
		{"s3cr3t/+ü\"", "say s3cr3t/+ü\" again s3cr3t/+ü\"!", "say *** again ***!"},
		{"a", "banana", "b***n***n***"},
		{"abab", "xababab", "x***"}, /* both, though they overlap */
		{"abc", "abcabc", "***"},
		{"longer than that", "lon", "lon"},
		{"longer than that", "long", "***"},
		/* an answer too short for a part of a secret, but not for a whole one */
		{"ok", "ok", "***"},
		{"k", "ok", "o***"},
		{"k=v", "k=v", "***"},
		{"/", "%2f", "***"},
		{"longer than that", "it is longer th", "it is ***"},
		/* URL-encoded: wholly, in part, in either case, as a form */
		{"s3cr3t/+ü\"", "q=s3cr3t%2F%2B%C3%BC%22&x", "q=***&x"},
		{"s3cr3t/+ü\"", "q=s3cr3t%2f%2b%c3%bc%22", "q=***"},
		{"s3cr3t/+ü\"", "q=%73%33%63%72%33%74%2F%2B%C3%BC%22", "q=***"},
		{"s3cr3t/+ü\"", "q=s3cr3t/+%C3%BC%22", "q=***"},
		{"two words", "q=two%20words&r=two+words", "q=***&r=***"},
		{"100%25", "100%25 100%2525", "*** ***"},
		/* JSON-encoded */
		{"s3cr3t/+ü\"", "{\"a\":\"s3cr3t\\/+\\u00fc\\\"\"}", "{\"a\":\"***\"}"},
		{"s3cr3t/+ü\"", "{\"a\":\"s3cr3t/+ü\\\"\"}", "{\"a\":\"***\"}"},
		{"s3cr3t/+ü\"", "\\u0073\\u0033cr3t\\u002f\\u002B\\u00Fc\\u0022", "***"},
		{"k\xf0\x9f\x94\x91y", "[\"k\\ud83d\\udd11y\"]", "[\"***\"]"},
		{"tab\tnew\nback\\", "tab\\tnew\\nback\\\\", "***"},
		/* both */
		{"two/words", "\"q=two%2Fwords\\/\" \"two\\/words\" \"tw%6f\\/words\"",
		    "\"q=***\\/\" \"***\" \"***\""},
		/* base64 by alignment: printf 'secret-value', 'xsecret-valuey', 'xxsecret-valueyy' */
		{"secret-value", "c2VjcmV0LXZhbHVl", "***"},
		{"secret-value", "eHNlY3JldC12YWx1ZXk=", "eH***Xk="},
		{"secret-value", "eHhzZWNyZXQtdmFsdWV5eQ==", "eHh***V5eQ=="},
		/* base64 of ">>>???ööö" in both alphabets, and URL-encoded */
		{">>>???\xc3\xb6\xc3\xb6\xc3\xb6", "Pj4+Pz8/w7bDtsO2", "***"},
		{">>>???\xc3\xb6\xc3\xb6\xc3\xb6", "Pj4-Pz8_w7bDtsO2", "***"},
		{">>>???\xc3\xb6\xc3\xb6\xc3\xb6", "x=Pj4%2BPz8%2Fw7bDtsO2", "x=***"},
		{">>>???\xc3\xb6\xc3\xb6\xc3\xb6", "\"Pj4+Pz8\\/w7bDtsO2\"", "\"***\""},
		/* what tells a URL's secret without the URL */
		{"https://hooks.example.com/services/T0AB/B0CD/xyzzy", "POST /services/T0AB/B0CD/xyzzy HTTP/1.1",
		    "POST *** HTTP/1.1"},
		{"https://hooks.example.com/services/T0AB/B0CD/xyzzy", "no webhook xyzzy in T0AB", "no webhook *** in ***"},
		{"https://hooks.example.com/services/T0AB/B0CD/xyzzy", "there are no services on hooks.example.com",
		    "there are no services on hooks.example.com"},
		{"https://example.com/a?key=k-value&token=abc%3D", "{\"key\":\"k-value\",\"token\":\"abc=\"}",
		    "{\"key\":\"***\",\"token\":\"***\"}"},
		{"https://example.com/a?key=k-value&token=abc%3D", "GET /a?key=k-value&token=abc%3D", "GET ***"},
		{"https://example.com?lonely", "lonely", "***"},
		{"https://example.com/", "see / and https://example.com", "see / and ***"},
		/* an Authorization header */
		{"Bearer t0ken", "bearer: t0ken", "bearer: ***"},
		{"Basic dXNlcjpodW50ZXIy", "{\"user\":\"user\",\"password\":\"hunter2\",\"raw\":\"dXNlcjpodW50ZXIy\"}",
		    "{\"user\":\"user\",\"password\":\"***\",\"raw\":\"***\"}"},
		/* a signing secret: what it says and what it is */
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZI", "key MfKQ9r8GKYqrTwjUPD8ILPZI", "key ***"},
		{"whsec_c2VjcmV0LXZhbHVl", "key secret-value", "key ***"},
		/* recipients */
		{"ann@example.com,bob@example.com", "550 <bob@example.com> unknown", "550 <***> unknown"},
	};
	char out[EXCERPT_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		make(slice_of(rows[i].answer), rows[i].secret, out);
		if (strcmp(out, rows[i].excerpt) != 0)
			fail_msg("row %zu, %s: \"%s\"", i, rows[i].answer, out);
	}
}

static void
printable(void **state)
{
	static const struct {
		struct slice answer;
		const char *excerpt;
	} rows[] = {
		{SLICE_LIT(""), ""},
		{SLICE_LIT("ok"), "ok"},
		{SLICE_LIT("a\r\n\tb\n"), "a   b "},
		{SLICE_LIT("a\0b\x01\x1b[31m\x7f"), "a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd[31m\xef\xbf\xbd"},
		{SLICE_LIT("gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91"), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91"},
		{SLICE_LIT("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd"},
		{SLICE_LIT("\xc0\xaf\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{SLICE_LIT("\xc2\x85\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf"),
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};
	char out[EXCERPT_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		make(rows[i].answer, "unseen", out);
		CHECK(rows[i].excerpt, strcmp(out, rows[i].excerpt) == 0);
	}
	/* nothing may come together that was kept apart */
	make(slice_make("sec\0ret", 7), "secret", out);
	assert_string_equal(out, "sec\xef\xbf\xbdret");
}
/* clang-format on */

/* The cut comes last: a secret that lies across it leaves no beginning behind. */
static void
cut(void **state)
{
	static const char secret[] = "secret/value", encoded[] = "secret%2Fvalue";
	char answer[16384], out[EXCERPT_MAX + 1];
	size_t at;

	(void)state;
	for (at = EXCERPT_MAX - 20; at <= EXCERPT_MAX; at++) {
		memset(answer, '-', sizeof(answer));
		memcpy(answer + at, encoded, strlen(encoded));
		make(slice_make(answer, sizeof(answer)), secret, out);
		assert_null(strstr(out, "secr"));
		assert_true(strlen(out) >= EXCERPT_MAX - 20 && strlen(out) <= EXCERPT_MAX);
	}
	/* a character that lies across it is left out */
	memset(answer, '-', sizeof(answer));
	memcpy(answer + EXCERPT_MAX - 1, "\xc3\xbc", 2);
	make(slice_make(answer, sizeof(answer)), secret, out);
	assert_int_equal(strlen(out), EXCERPT_MAX - 1);
	/* and of nothing but bad bytes, as many as fit */
	memset(answer, '\xff', sizeof(answer));
	make(slice_make(answer, sizeof(answer)), secret, out);
	assert_int_equal(strlen(out), EXCERPT_MAX / 3 * 3);
}

/* Every secret of some lengths at every place in all alignments of base64. */
static void
base64_everywhere(void **state)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char plain[64], text[128], out[EXCERPT_MAX + 1];
	const char *secret = "0123456789abcdef";
	size_t before, i, n;

	(void)state;
	for (before = 0; before < 12; before++) {
		memset(plain, 'z', sizeof(plain));
		memcpy(plain + before, secret, strlen(secret));
		for (i = 0, n = 0; i + 3 <= 48; i += 3) {
			unsigned int b = (unsigned int)plain[i] << 16 |
					 (unsigned int)plain[i + 1] << 8 |
					 (unsigned int)plain[i + 2];

			text[n++] = alphabet[b >> 18];
			text[n++] = alphabet[b >> 12 & 63];
			text[n++] = alphabet[b >> 6 & 63];
			text[n++] = alphabet[b & 63];
		}
		make(slice_make(text, n), secret, out);
		/* 16 bytes decide 20 or 21 characters */
		assert_non_null(strstr(out, EXCERPT_STRUCK));
		assert_in_range(strlen(out), n - 21 + 3, n - 20 + 3);
	}
}

/* A tenant who makes both the secret and the answer cannot hold up the courier. */
static void
bounded(void **state)
{
	static char url[2049], answer[16384], out[EXCERPT_MAX + 1];
	size_t i;

	(void)state;
	memcpy(url, "https://example.com/", 20);
	for (i = 20; i < sizeof(url) - 1; i++)
		url[i] = i % 8 == 0 ? '/' : 'a';
	memset(answer, 'a', sizeof(answer));
	for (i = 0; i < sizeof(answer); i += 1999)
		answer[i] = "%\\+b"[i % 4];
	make(slice_make(answer, sizeof(answer)), url, out);
	assert_true(strlen(out) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(struck_out),
	    cmocka_unit_test(printable),
	    cmocka_unit_test(cut),
	    cmocka_unit_test(base64_everywhere),
	    cmocka_unit_test(bounded),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
