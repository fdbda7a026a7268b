/* The config file: `key = value` lines, checked against a table, so that a typing error is told at
 * start. */
#include "base/conf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FILE_MAX (256 * 1024) /* bytes of a config file */

struct conf {
	const struct conf_key *keys;
	size_t nkeys;
	char *into;
	struct arena *arena;
	bool *seen; /* by key: the file named it already */
};

static enum err
store_text(struct conf *c, const struct conf_key *k, struct slice value, struct buf *why)
{
	const char *reason = NULL;
	char *text;

	if (k->check != NULL && k->check(value, &reason) != ERR_OK) {
		buf_printf(why, "%s %s", k->name, reason);
		return (ERR_INVALID);
	}
	if ((text = arena_dup(c->arena, value)) == NULL)
		return (ERR_NOMEM);
	memcpy(c->into + k->offset, &text, sizeof(text));
	return (ERR_OK);
}

static enum err
store_int(struct conf *c, const struct conf_key *k, struct slice value, struct buf *why)
{
	uint64_t n;
	int64_t number;

	if (text_u64(value, INT64_MAX, &n) != ERR_OK || (int64_t)n < k->min ||
	    (int64_t)n > k->max) {
		buf_printf(why, "%s must be a whole number from %lld to %lld", k->name,
		    (long long)k->min, (long long)k->max);
		return (ERR_INVALID);
	}
	number = (int64_t)n;
	memcpy(c->into + k->offset, &number, sizeof(number));
	return (ERR_OK);
}

static enum err
store_word(struct conf *c, const struct conf_key *k, struct slice value, struct buf *why)
{
	size_t i;
	int place;

	for (i = 0; i < k->nwords; i++) {
		if (slice_eq(value, slice_of(k->words[i]))) {
			place = (int)i;
			memcpy(c->into + k->offset, &place, sizeof(place));
			return (ERR_OK);
		}
	}
	buf_printf(why, "%s must be one of:", k->name);
	for (i = 0; i < k->nwords; i++)
		buf_printf(why, " %s", k->words[i]);
	return (ERR_INVALID);
}

/* Cut the next item off ${rest}; items stand apart by blanks, tabs or commas. */
static bool
next_item(struct slice *rest, struct slice *item)
{
	size_t n = 0;

	while (rest->len > 0 && strchr(" \t,", rest->ptr[0]) != NULL)
		*rest = slice_skip(*rest, 1);
	while (n < rest->len && strchr(" \t,", rest->ptr[n]) == NULL)
		n++;
	*item = slice_make(rest->ptr, n);
	*rest = slice_skip(*rest, n);
	return (n > 0);
}

static enum err
store_list(struct conf *c, const struct conf_key *k, struct slice value, struct buf *why)
{
	struct conf_list list = {NULL, 0};
	struct slice rest = value, item;
	const char *reason = NULL;
	char *text;

	if ((list.items = arena_alloc(c->arena, (value.len / 2 + 1) * sizeof(*list.items))) == NULL)
		return (ERR_NOMEM);
	while (next_item(&rest, &item)) {
		if (k->check != NULL && k->check(item, &reason) != ERR_OK) {
			buf_printf(
			    why, "%s: \"%.*s\" %s", k->name, (int)item.len, item.ptr, reason);
			return (ERR_INVALID);
		}
		if ((text = arena_dup(c->arena, item)) == NULL)
			return (ERR_NOMEM);
		list.items[list.nitems++] = slice_make(text, item.len);
	}
	memcpy(c->into + k->offset, &list, sizeof(list));
	return (ERR_OK);
}

/* Store ${value} under ${k}. */
static enum err
store(struct conf *c, const struct conf_key *k, struct slice value, struct buf *why)
{
	static enum err (*const by_kind[CONF__MAX])(
	    struct conf *, const struct conf_key *, struct slice, struct buf *) = {
	    [CONF_TEXT] = store_text,
	    [CONF_INT] = store_int,
	    [CONF_WORD] = store_word,
	    [CONF_LIST] = store_list,
	};

	return (by_kind[k->kind](c, k, value, why));
}

struct conf *
conf_new(const struct conf_key *keys, size_t nkeys, void *into)
{
	struct buf why;
	struct conf *c;
	size_t i;
	enum err e = ERR_OK;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return (NULL);
	c->keys = keys;
	c->nkeys = nkeys;
	c->into = into;
	if ((c->arena = arena_new()) == NULL ||
	    (c->seen = calloc(nkeys, sizeof(*c->seen))) == NULL) {
		conf_free(c);
		return (NULL);
	}
	buf_init(&why, 1024);
	for (i = 0; i < nkeys && e == ERR_OK; i++)
		e = store(c, &keys[i], slice_of(keys[i].initial), &why);
	buf_clear(&why);
	if (e != ERR_OK) {
		conf_free(c);
		return (NULL);
	}
	return (c);
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	arena_free(c->arena);
	free(c->seen);
	free(c);
}

/* Say that there is no key ${name}. */
static void
tell_unknown(const struct conf *c, struct slice name, struct buf *why)
{
	const char *names[256], *near;
	size_t i;

	for (i = 0; i < c->nkeys && i < 256; i++)
		names[i] = c->keys[i].name;
	buf_printf(why, "there is no key \"%.*s\"", (int)name.len, name.ptr);
	if ((near = text_nearest(name, names, i)) != NULL)
		buf_printf(why, "; did you mean %s?", near);
	else
		buf_printf(why, "; sigsentry.conf(5) lists them all");
}

/* Take "name = value"; ${once} refuses a name that was there before. */
static enum err
assign(struct conf *c, struct slice text, bool once, struct buf *why)
{
	struct slice rest = text, name;
	size_t i;

	(void)slice_split(&rest, '=', &name);
	if (rest.ptr == NULL) {
		buf_printf(why, "this must read key = value");
		return (ERR_INVALID);
	}
	name = slice_trim(name);
	for (i = 0; i < c->nkeys && !slice_eq(name, slice_of(c->keys[i].name)); i++)
		continue;
	if (i == c->nkeys) {
		tell_unknown(c, name, why);
		return (ERR_INVALID);
	}
	if (once && c->seen[i]) {
		buf_printf(why, "%s stands in this file twice", c->keys[i].name);
		return (ERR_INVALID);
	}
	c->seen[i] = c->seen[i] || once;
	return (store(c, &c->keys[i], slice_trim(rest), why));
}

/* Read all of ${path} into ${text}. */
static enum err
read_file(const char *path, struct buf *text, struct buf *why)
{
	char chunk[4096];
	size_t n;
	FILE *f;

	if ((f = fopen(path, "re")) == NULL) {
		buf_printf(why, "%s: %s", path, strerror(errno));
		return (ERR_IO);
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(text, slice_make(chunk, n));
	if (ferror(f) != 0 || !buf_ok(text))
		buf_printf(why, "%s: %s", path, buf_ok(text) ? strerror(errno) : "over 256 KiB");
	fclose(f);
	return (why->len == 0 ? ERR_OK : ERR_IO);
}

/* Take one line of the file. */
static enum err
take_line(struct conf *c, struct slice line, struct buf *why)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	line = slice_trim(line);
	if (line.len == 0 || line.ptr[0] == '#')
		return (ERR_OK);
	if (memchr(line.ptr, '\0', line.len) != NULL) {
		buf_printf(why, "there is a NUL byte in this line");
		return (ERR_INVALID);
	}
	return (assign(c, line, true, why));
}

enum err
conf_load(struct conf *c, const char *path, struct buf *why)
{
	struct slice rest, line;
	struct buf text, reason;
	enum err e;
	size_t n = 0;

	buf_init(&text, FILE_MAX);
	buf_init(&reason, 1024);
	e = read_file(path, &text, why);
	for (rest = buf_slice(&text); e == ERR_OK && slice_split(&rest, '\n', &line);) {
		n++;
		if ((e = take_line(c, line, &reason)) != ERR_OK)
			buf_printf(why, "%s:%zu: %s", path, n, buf_str(&reason));
	}
	buf_clear(&reason);
	buf_clear(&text);
	return (e);
}

enum err
conf_set(struct conf *c, const char *assignment, struct buf *why)
{
	return (assign(c, slice_of(assignment), false, why));
}
