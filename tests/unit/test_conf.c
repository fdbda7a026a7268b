/* The config file: every kind of value, every way to get it wrong, and where the message points. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"

static const char *const words[] = {"red", "green"};

struct into {
	const char *text;
	int64_t number;
	int word;
	struct conf_list list;
};

static enum err
check_short(struct slice value, const char **why)
{
	*why = "must be at most 3 bytes";
	return (value.len <= 3 ? ERR_OK : ERR_INVALID);
}

static const struct conf_key keys[] = {
    {"text", CONF_TEXT, offsetof(struct into, text), "none", 0, 0, NULL, 0, NULL},
    {"wait_ms", CONF_INT, offsetof(struct into, number), "20", 5, 100, NULL, 0, NULL},
    {"colour", CONF_WORD, offsetof(struct into, word), "red", 0, 0, words, 2, NULL},
    {"items", CONF_LIST, offsetof(struct into, list), "", 0, 0, NULL, 0, check_short},
};

/* Load ${text} as a file; the message goes to ${why}, less the file's name. */
static enum err
load(struct conf *c, const char *text, char *why, size_t why_cap)
{
	char path[] = "/tmp/test_conf.XXXXXX";
	int fd = mkstemp(path);
	struct buf reason;
	enum err e;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	buf_init(&reason, 1024);
	e = conf_load(c, path, &reason);
	snprintf(why, why_cap, "%s",
	    strncmp(buf_str(&reason), path, strlen(path)) == 0 ? buf_str(&reason) + strlen(path)
							       : buf_str(&reason));
	buf_clear(&reason);
	unlink(path);
	return (e);
}

static void
defaults_stand_without_a_file(void **state)
{
	struct into in;
	struct conf *c = conf_new(keys, NELEMS(keys), &in);

	(void)state;
	assert_non_null(c);
	assert_string_equal(in.text, "none");
	assert_int_equal(in.number, 20);
	assert_int_equal(in.word, 0);
	assert_int_equal(in.list.nitems, 0);
	conf_free(c);
}

static void
a_good_file_is_read(void **state)
{
	struct into in;
	struct conf *c = conf_new(keys, NELEMS(keys), &in);
	char why[1024];

	(void)state;
	assert_int_equal(load(c,
			     "# a comment\n\n text =  host=a dbname='x # y'  \r\nwait_ms=100\n"
			     "\tcolour = green\nitems = a, b\tc ,,d",
			     why, sizeof(why)),
	    ERR_OK);
	assert_string_equal(in.text, "host=a dbname='x # y'");
	assert_int_equal(in.number, 100);
	assert_int_equal(in.word, 1);
	assert_int_equal(in.list.nitems, 4);
	assert_true(slice_eq(in.list.items[3], slice_of("d")));
	conf_free(c);
}

static void
bad_files_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text, *why; /* what the message must hold */
	} rows[] = {
	    {"wait_ms = 4\n", ":1: wait_ms must be a whole number from 5 to 100"},
	    {"\n\nwait_ms = 101\n", ":3: wait_ms"},
	    {"wait_ms = 5s\n", ":1: wait_ms"},
	    {"wait_ms =\n", ":1: wait_ms"},
	    {"wait_ms = -7\n", ":1: wait_ms"},
	    {"wait_ms = 99999999999999999999\n", ":1: wait_ms"},
	    {"colour = blue\n", ":1: colour must be one of: red green"},
	    {"items = ab, abcd\n", ":1: items: \"abcd\" must be at most 3 bytes"},
	    {"wait = 5\n", ":1: there is no key \"wait\""},
	    {"color = red\n", "did you mean colour?"},
	    {"text\n", ":1: this must read key = value"},
	    {"text = a\n# x\ntext = b\n", ":3: text stands in this file twice"},
	    {"= 5\n", ":1: there is no key"},
	};
	char why[1024];
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(rows); i++) {
		struct into in;
		struct conf *c = conf_new(keys, NELEMS(keys), &in);

		CHECK(rows[i].text, load(c, rows[i].text, why, sizeof(why)) == ERR_INVALID);
		if (strstr(why, rows[i].why) == NULL)
			fail_msg("%s says \"%s\", not \"%s\"", rows[i].text, why, rows[i].why);
		conf_free(c);
	}
}

static void
a_missing_file_is_an_error(void **state)
{
	struct into in;
	struct conf *c = conf_new(keys, NELEMS(keys), &in);
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	assert_int_equal(conf_load(c, "/nonexistent/sigsentry.conf", &why), ERR_IO);
	assert_non_null(strstr(buf_str(&why), "/nonexistent/sigsentry.conf: No such file"));
	buf_clear(&why);
	conf_free(c);
}

static void
overrides_win_and_may_repeat(void **state)
{
	struct into in;
	struct conf *c = conf_new(keys, NELEMS(keys), &in);
	char reason[1024];
	struct buf why;

	(void)state;
	buf_init(&why, 1024);
	assert_int_equal(load(c, "wait_ms = 50\n", reason, sizeof(reason)), ERR_OK);
	assert_int_equal(conf_set(c, "wait_ms=60", &why), ERR_OK);
	assert_int_equal(conf_set(c, "wait_ms = 70", &why), ERR_OK);
	assert_int_equal(in.number, 70);
	assert_int_equal(conf_set(c, "wait_ms", &why), ERR_INVALID);
	assert_int_equal(conf_set(c, "no=1", &why), ERR_INVALID);
	buf_clear(&why);
	conf_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_stand_without_a_file),
	    cmocka_unit_test(a_good_file_is_read),
	    cmocka_unit_test(bad_files_are_told_with_their_line),
	    cmocka_unit_test(a_missing_file_is_an_error),
	    cmocka_unit_test(overrides_win_and_may_repeat),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
