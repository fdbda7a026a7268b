#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

/** What a key's value is, and so where and how it is stored. */
enum conf_kind {
	CONF_TEXT, /* const char *: the rest of the line, trimmed */
	CONF_INT,  /* int64_t between min and max; the key's suffix says the unit */
	CONF_WORD, /* int: the place of the value in words[] */
	CONF_LIST, /* struct conf_list: items apart by blanks or commas */
	CONF__MAX
};

/** A list's items, NUL-terminated too. */
struct conf_list {
	struct slice *items;
	size_t nitems;
};

/** One key: a row of a program's table. */
struct conf_key {
	const char *name;
	enum conf_kind kind;
	size_t offset;            /* of the value in the program's struct */
	const char *initial;      /* the default, written as in a file */
	int64_t min, max;         /* of a CONF_INT */
	const char *const *words; /* of a CONF_WORD */
	size_t nwords;
	/* Judge an item of a list or the text; NULL: anything goes.  On ERR_INVALID ${why} says
	 * what it must be. */
	enum err (*check)(struct slice value, const char **why);
};

/** A table of keys, the struct they fill, and the memory behind its texts. */
struct conf;

/**
 * conf_new(keys, nkeys, into), conf_free(c):
 * Fill ${into} with the defaults of ${keys}.  Texts and lists in ${into} live as long as the conf.
 * NULL: no memory, or a default that its own key refuses.
 */
struct conf *conf_new(const struct conf_key *keys, size_t nkeys, void *into);
void conf_free(struct conf *c);

/**
 * conf_load(c, path, why):
 * Read the file ${path}: lines `key = value`, blank lines, comments that begin with '#' (at the
 * start of a line only, since values may hold one).  ERR_IO, ERR_INVALID: ${why} holds "path:line:
 * reason" for a person: an unknown key (with the nearest known one), a key given twice, a value
 * that its key does not take.
 */
enum err conf_load(struct conf *c, const char *path, struct buf *why) MUST_CHECK;

/**
 * conf_set(c, assignment, why):
 * Take "key=value", as -o gives it on the command line; it wins over the file when called after
 * conf_load().
 */
enum err conf_set(struct conf *c, const char *assignment, struct buf *why) MUST_CHECK;

#endif
