#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/text.h"

/** How grave a line is; as syslog's, so that the journal's <N> prefixes fit. */
enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL__MAX
};

/* The words of the levels, as they stand in the config file. */
extern const char *const log_level_words[LOG_LEVEL__MAX];

/** One key and its value; made by the LOG_* macros below. */
struct log_field {
	const char *key;
	enum { LOG_FIELD_TEXT, LOG_FIELD_INT } kind;
	struct slice text;
	int64_t number;
};

#define LOG_STR(k, v)                               \
	(struct log_field)                          \
	{                                           \
		(k), LOG_FIELD_TEXT, slice_of(v), 0 \
	}
#define LOG_SLICE(k, v)                     \
	(struct log_field)                  \
	{                                   \
		(k), LOG_FIELD_TEXT, (v), 0 \
	}
#define LOG_INT(k, v)                                       \
	(struct log_field)                                  \
	{                                                   \
		(k), LOG_FIELD_INT, {NULL, 0}, (int64_t)(v) \
	}

/**
 * log_error(ev, fields...), log_warn(…), log_info(…), log_debug(…):
 * Write one line `level=… ev=… key=value …` to standard error in one write(2).  An absent text
 * is left out.  Values are escaped: CR, LF and quotes cannot make a second line or field.
 * Lines over 4,000 bytes are cut.  Callers never pass keys, tokens, bodies or auth headers.
 *     log_info("http.end", LOG_STR("id", request_id), LOG_INT("status", 201));
 */
#define log_error(...) log_write(LOG_LEVEL_ERROR, LOG_ARGS(__VA_ARGS__, {0}))
#define log_warn(...)  log_write(LOG_LEVEL_WARN, LOG_ARGS(__VA_ARGS__, {0}))
#define log_info(...)  log_write(LOG_LEVEL_INFO, LOG_ARGS(__VA_ARGS__, {0}))
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, LOG_ARGS(__VA_ARGS__, {0}))
#define LOG_ARGS(ev, ...)                \
	(ev), (const struct log_field[]) \
	{                                \
		__VA_ARGS__              \
	}

void log_write(enum log_level level, const char *ev, const struct log_field fields[]);

/**
 * log_setup(program, level):
 * Say who writes (a static string, in every line as `prog`) and leave out what is less grave than
 * ${level}.
 */
void log_setup(const char *program, enum log_level level);

/**
 * log_scope(id):
 * Put `id=${id}` into every line from now on, until log_scope(NULL): for a worker, which serves one
 * request at a time, so that the rooms below need not hand the id down.  ${id} is borrowed.
 */
void log_scope(const char *id);

/**
 * fatal(fmt, ...):
 * For start-up alone: print "program: reason" for a person, and exit with 1.
 */
void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
