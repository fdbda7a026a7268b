/* A log line stays one line and its fields stay apart, whatever the values hold. */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char line[8192];

/* Run ${write_line} with standard error in a pipe, and keep what came out in `line`. */
static void
capture(void (*write_line)(const char *), const char *arg)
{
	int ends[2], old = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	write_line(arg);
	dup2(old, STDERR_FILENO);
	close(old);
	close(ends[1]);
	n = read(ends[0], line, sizeof(line) - 1);
	close(ends[0]);
	line[n < 0 ? 0 : n] = '\0';
}

static void
one_value(const char *arg)
{
	log_info("ev.x", LOG_STR("k", arg), LOG_INT("n", -5), LOG_STR("absent", NULL));
}

static void
values_cannot_forge_lines_or_fields(void **state)
{
	static const struct {
		const char *value, *expect;
	} rows[] = {
	    {"plain/1.2:3", "level=info prog=t ev=ev.x k=plain/1.2:3 n=-5\n"},
	    {"", "level=info prog=t ev=ev.x k=\"\" n=-5\n"},
	    {"a b", "level=info prog=t ev=ev.x k=\"a b\" n=-5\n"},
	    {"a=b", "level=info prog=t ev=ev.x k=\"a=b\" n=-5\n"},
	    {"x\nlevel=error", "level=info prog=t ev=ev.x k=\"x\\x0alevel=error\" n=-5\n"},
	    {"x\r\n", "level=info prog=t ev=ev.x k=\"x\\x0d\\x0a\" n=-5\n"},
	    {"say \"hi\" \\", "level=info prog=t ev=ev.x k=\"say \\\"hi\\\" \\\\\" n=-5\n"},
	    {"\x1b[31m\x7f\xc3\xa9",
		"level=info prog=t ev=ev.x k=\"\\x1b[31m\\x7f\\xc3\\xa9\" n=-5\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		capture(one_value, rows[i].value);
		assert_string_equal(line, rows[i].expect);
	}
}

static void
long_lines_are_cut_and_end(void **state)
{
	char *huge = calloc(1, 6001);

	(void)state;
	memset(huge, 'a', 6000);
	capture(one_value, huge);
	assert_true(strlen(line) <= 4000);
	assert_int_equal(line[strlen(line) - 1], '\n');
	free(huge);
}

static void
write_debug(const char *arg)
{
	log_debug("ev.d", LOG_STR("k", arg));
	log_info("ev.i");
}

static void
levels_and_scope(void **state)
{
	(void)state;
	capture(write_debug, "x");
	assert_string_equal(line, "level=info prog=t ev=ev.i\n");
	log_scope("r 1");
	capture(write_debug, "x");
	assert_string_equal(line, "level=info prog=t ev=ev.i id=\"r 1\"\n");
	log_scope(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_cannot_forge_lines_or_fields),
	    cmocka_unit_test(long_lines_are_cut_and_end),
	    cmocka_unit_test(levels_and_scope),
	};

	unsetenv("JOURNAL_STREAM");
	log_setup("t", LOG_LEVEL_INFO);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
