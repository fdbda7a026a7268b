#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/db.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

/** One column of what is printed: its name as in the API ("createdAt") and what it holds. */
struct output_col {
	const char *name;
	enum db_type type;
};

/** A table on its way out.  Borrows everything. */
struct output_table {
	const struct output_col *cols;
	size_t ncols;
	const struct slice
	    *cells; /* nrows * ncols, row by row, in PostgreSQL's text form; absent: NULL */
	size_t nrows;
};

/**
 * output_from_rows(rows, skip, a, t):
 * Make ${t} of ${rows}, without the first ${skip} columns.  It lives as long as ${a} and ${rows}.
 * ERR_NOMEM.
 */
enum err output_from_rows(
    const struct db_rows *rows, size_t skip, struct arena *a, struct output_table *t) MUST_CHECK;

/**
 * output_list(t, json, a, out):
 * Append ${t} to ${out}: as aligned columns under a header (CREATED AT), or as a JSON array of
 * objects and a newline. Control characters are shown as '?' to people, so that a name cannot steer
 * their terminal.  ERR_NOMEM.
 */
enum err output_list(
    const struct output_table *t, bool json, struct arena *a, struct buf *out) MUST_CHECK;

/**
 * output_record(t, json, out):
 * Append the first row of ${t} to ${out}: as "name  value" lines without the absent ones, or as a
 * JSON object and a newline.  ${out} fails where it could not all be made.
 */
void output_record(const struct output_table *t, bool json, struct buf *out);

/**
 * output_plain(s, out):
 * Append ${s} as it may be shown on a terminal: what could steer one (C0, DEL, C1, broken UTF-8),
 * and what ends a line or turns the direction of what follows (U+2028 to U+202E, U+2066 to U+2069),
 * becomes
 * '?'.
 */
void output_plain(struct slice s, struct buf *out);

#endif
