/* Severities: their words, their order, which of them are thresholds. */
#include "check.h"

#include "domain/severity.h"

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		enum err e;
		enum severity want;
	} rows[] = {
	    {"critical", ERR_OK, SEVERITY_CRITICAL},
	    {"high", ERR_OK, SEVERITY_HIGH},
	    {"medium", ERR_OK, SEVERITY_MEDIUM},
	    {"low", ERR_OK, SEVERITY_LOW},
	    {"info", ERR_OK, SEVERITY_INFO},
	    {"", ERR_INVALID, SEVERITY__MAX},
	    {NULL, ERR_INVALID, SEVERITY__MAX},
	    {"High", ERR_INVALID, SEVERITY__MAX},
	    {"high ", ERR_INVALID, SEVERITY__MAX},
	    {"hig", ERR_INVALID, SEVERITY__MAX},
	    {"warning", ERR_INVALID, SEVERITY__MAX},
	};
	enum severity got;
	const char *row;
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		row = rows[i].text == NULL ? "(absent)" : rows[i].text;
		got = SEVERITY__MAX;
		CHECK(row, severity_parse(slice_of(rows[i].text), &got) == rows[i].e);
		CHECK(row, got == rows[i].want);
	}
}

static void
test_order(void **state)
{
	/* The values stand in the database's columns: they must never move. */
	static const int values[] = {
	    SEVERITY_CRITICAL, SEVERITY_HIGH, SEVERITY_MEDIUM, SEVERITY_LOW, SEVERITY_INFO};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(values); i++)
		CHECK(severity_words[i], values[i] == (int)i);
	CHECK("info is no threshold", SEVERITY_THRESHOLDS == 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_order),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
