#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#define JSON_DEPTH_MAX 16  /* open containers */
#define JSON_PATH_MAX  256 /* bytes of a path in a fault, NUL included */

/** A value in a parsed tree; lives as long as the tree's root. */
struct json;

enum json_type {
	JSON_NULL = 0,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
	JSON__MAX
};

/* "null", "boolean", "number", "string", "array", "object". */
extern const char *const json_type_words[JSON__MAX];

/** What is wrong with a text, where, in words for the person who sent it. */
struct json_fault {
	const char *code;         /* "json", or "duplicate" for a repeated key */
	char path[JSON_PATH_MAX]; /* the repeated key's, as credentials.webhookUrl; else "" */
	size_t line, column;      /* from 1; the column counts bytes */
	char message[160];        /* says what, and where; quotes nothing of the text */
};

/**
 * json_parse(text, out, fault):
 * Parse ${text}, one RFC 8259 value and white space, into ${out}, which the caller gives to
 * json_free().  A scan of our own refuses first what json-c lets pass: single quotes, NaN, raw
 * controls, -01, overlong UTF-8, repeated keys (compared after unescaping), trailing commas,
 * comments, \u0000, unpaired surrogates, a byte-order mark, more than JSON_DEPTH_MAX open
 * containers. ERR_INVALID: ${fault} says what and where (the first fault only).  ERR_NOMEM.
 */
enum err json_parse(struct slice text, struct json **out, struct json_fault *fault) MUST_CHECK;

/**
 * json_free(root):
 * Overwrite every string of the tree and free it.  Takes NULL.
 */
void json_free(struct json *root);

/**
 * json_type(v):
 * The type of ${v}.
 */
enum json_type json_type(const struct json *v);

/**
 * json_string(v), json_bool(v):
 * The bytes of a JSON_STRING (UTF-8, NUL-terminated behind its length); the value of a JSON_BOOL.
 * Of any other type: an absent slice, false.
 */
struct slice json_string(const struct json *v);
bool json_bool(const struct json *v);

/**
 * json_int(v, min, max, out):
 * Put the value of a JSON_NUMBER into ${out}.  ERR_INVALID: ${v} is no number, has a fraction, or
 * lies outside ${min} to ${max} (which stay within ±2^53).
 */
enum err json_int(const struct json *v, int64_t min, int64_t max, int64_t *out) MUST_CHECK;

/**
 * json_double(v):
 * The value of a JSON_NUMBER, which may have a fraction; NaN of any other type, and of NULL.
 */
double json_double(const struct json *v);

/**
 * json_number(v):
 * The text of a JSON_NUMBER, every digit as it was read.  Of any other type: an absent slice.
 */
struct slice json_number(const struct json *v);

/**
 * json_equal(a, b):
 * Are they the same value, whatever the order of members?  Takes NULL, which equals only NULL.
 */
bool json_equal(const struct json *a, const struct json *b);

/**
 * json_get(object, name):
 * The member ${name}, or NULL where ${object} is no object or has none.  JSON null is a value, not
 * NULL.
 */
struct json *json_get(const struct json *object, const char *name);

/**
 * json_at(array, i), json_len(v):
 * The ${i}th element (NULL past the end); how many elements or members ${v} has (0 of other types).
 */
struct json *json_at(const struct json *array, size_t i);
size_t json_len(const struct json *v);

/**
 * json_each(object, visit, ctx):
 * Call ${visit} with each member of ${object}, in the order of the text, until one returns false.
 */
void json_each(const struct json *object,
    bool (*visit)(void *ctx, struct slice name, struct json *value), void *ctx);

/**
 * json_put(b, s):
 * Append the UTF-8 text ${s} to ${b} as a JSON string in quotes (RFC 8259 §7); bytes that are
 * not UTF-8 become U+FFFD.  '/' is not escaped; '<', '>' and '&' neither.
 */
void json_put(struct buf *b, struct slice s);

/**
 * json_write(b, v):
 * Append ${v} and all below it to ${b} as JSON without white space: an equal value, numbers with
 * every digit they came with, members in the order of the text.
 */
void json_write(struct buf *b, const struct json *v);

#endif
