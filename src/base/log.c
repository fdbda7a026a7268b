/* One fact a line, key=value, to standard error; whoever starts the program says where that goes.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4000 /* under PIPE_BUF, so that workers' lines do not mix */

const char *const log_level_words[LOG_LEVEL__MAX] = {"error", "warn", "info", "debug"};

static const char *const journal_prefix[LOG_LEVEL__MAX] = {"<3>", "<4>", "<6>", "<7>"};

/* What the process says of itself, set once at start-up. */
static struct {
	const char *program;
	enum log_level level;
	bool journal;
	const char *id; /* of the request being served, or NULL */
} self = {"sigsentry", LOG_LEVEL_INFO, false, NULL};

struct line {
	char text[LINE_MAX_BYTES + 1];
	size_t len;
};

static void
put(struct line *l, char c)
{
	if (l->len < LINE_MAX_BYTES - 1)
		l->text[l->len++] = c;
}

static void
put_str(struct line *l, const char *s)
{
	for (; *s != '\0'; s++)
		put(l, *s);
}

/* Does ${s} need quotes to stay one value? */
static bool
is_plain(struct slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if ((uint8_t)s.ptr[i] <= ' ' || (uint8_t)s.ptr[i] >= 0x7f || s.ptr[i] == '"' ||
		    s.ptr[i] == '\\' || s.ptr[i] == '=')
			return (false);
	}
	return (s.len > 0);
}

static void
put_value(struct line *l, struct slice s)
{
	char escape[5];
	size_t i;

	if (is_plain(s)) {
		for (i = 0; i < s.len; i++)
			put(l, s.ptr[i]);
		return;
	}
	put(l, '"');
	for (i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\') {
			put(l, '\\');
			put(l, s.ptr[i]);
		} else if ((uint8_t)s.ptr[i] < ' ' || (uint8_t)s.ptr[i] >= 0x7f) {
			snprintf(
			    escape, sizeof(escape), "\\x%02x", (unsigned int)(uint8_t)s.ptr[i]);
			put_str(l, escape);
		} else {
			put(l, s.ptr[i]);
		}
	}
	put(l, '"');
}

static void
put_field(struct line *l, const struct log_field *f)
{
	char number[24];

	if (f->kind == LOG_FIELD_TEXT && f->text.ptr == NULL)
		return;
	put(l, ' ');
	put_str(l, f->key);
	put(l, '=');
	if (f->kind == LOG_FIELD_TEXT) {
		put_value(l, f->text);
		return;
	}
	snprintf(number, sizeof(number), "%lld", (long long)f->number);
	put_str(l, number);
}

void
log_write(enum log_level level, const char *ev, const struct log_field fields[])
{
	struct line l;

	if (level > self.level)
		return;
	l.len = 0;
	if (self.journal)
		put_str(&l, journal_prefix[level]);
	put_str(&l, "level=");
	put_str(&l, log_level_words[level]);
	put_str(&l, " prog=");
	put_str(&l, self.program);
	put_str(&l, " ev=");
	put_str(&l, ev);
	put_field(&l, &LOG_STR("id", self.id));
	for (; fields->key != NULL; fields++)
		put_field(&l, fields);
	l.text[l.len++] = '\n';
	if (write(STDERR_FILENO, l.text, l.len) < 0)
		return; /* nobody is left to tell */
}

void
log_setup(const char *program, enum log_level level)
{
	self.program = program;
	self.level = level;
	self.journal = getenv("JOURNAL_STREAM") != NULL;
}

void
log_scope(const char *id)
{
	self.id = id;
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", self.program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}
