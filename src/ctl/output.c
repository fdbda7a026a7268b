/*
 * What sigsentryctl prints: the same table for people, aligned, and for programs, as JSON.  The
 * columns' names come from the statements (sql/fn), which call them as the API does.
 */
#include "ctl/output.h"

#include "base/json.h"

#define GAP 2 /* blanks between columns */

enum err
output_from_rows(const struct db_rows *rows, size_t skip, struct arena *a, struct output_table *t)
{
	size_t nrows = db_nrows(rows), ncols = db_ncols(rows) - skip, i;
	struct output_col *cols = arena_alloc(a, (ncols + 1) * sizeof(*cols));
	struct slice *cells = arena_alloc(a, (nrows * ncols + 1) * sizeof(*cells));

	if (cols == NULL || cells == NULL)
		return (ERR_NOMEM);
	for (i = 0; i < ncols; i++) {
		cols[i].name = db_col_name(rows, i + skip);
		cols[i].type = db_col_type(rows, i + skip);
	}
	for (i = 0; i < nrows * ncols; i++)
		cells[i] = db_text(rows, i / ncols, i % ncols + skip);
	*t = (struct output_table){cols, ncols, cells, nrows};
	return (ERR_OK);
}

/* Append a cell as JSON. */
static void
json_cell(const struct output_col *col, struct slice cell, struct buf *out)
{
	if (cell.ptr == NULL)
		buf_add(out, slice_of("null"));
	else if (col->type == DB_TYPE_BOOL)
		buf_add(out, slice_of(cell.len > 0 && cell.ptr[0] == 't' ? "true" : "false"));
	else if (col->type == DB_TYPE_TEXT)
		json_put(out, cell);
	else
		buf_add(out, cell);
}

/* Append row ${row} as a JSON object. */
static void
json_row(const struct output_table *t, size_t row, struct buf *out)
{
	size_t i;

	buf_addc(out, '{');
	for (i = 0; i < t->ncols; i++) {
		if (i > 0)
			buf_addc(out, ',');
		json_put(out, slice_of(t->cols[i].name));
		buf_addc(out, ':');
		json_cell(&t->cols[i], t->cells[row * t->ncols + i], out);
	}
	buf_addc(out, '}');
}

/* Append a name for people: "createdAt" as "created at", or in capitals. */
static void
title(const char *name, bool capitals, struct buf *out)
{
	for (; *name != '\0'; name++) {
		if (*name >= 'A' && *name <= 'Z') {
			buf_addc(out, ' ');
			buf_addc(out, capitals ? *name : (char)(*name - 'A' + 'a'));
		} else if (capitals && *name >= 'a' && *name <= 'z') {
			buf_addc(out, (char)(*name - 'a' + 'A'));
		} else {
			buf_addc(out, *name);
		}
	}
}

/* Does it steer a terminal, or turn the order of what stands behind it, other columns too? */
static bool
steers(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return (true);
	}
	return (false);
}

void
output_plain(struct slice s, struct buf *out)
{
	uint32_t cp = 0;
	size_t n;

	while (s.len > 0) {
		n = text_utf8_next(s, &cp);
		if (n == 0 || steers(cp))
			buf_addc(out, '?');
		else
			buf_add(out, slice_make(s.ptr, n));
		s = slice_skip(s, n == 0 ? 1 : n);
	}
}

/* Append a cell for people. */
static void
plain_cell(const struct output_col *col, struct slice cell, struct buf *out)
{
	if (cell.ptr == NULL || (col->type == DB_TYPE_TEXT && cell.len == 0))
		buf_addc(out, '-');
	else if (col->type == DB_TYPE_BOOL)
		buf_add(out, slice_of(cell.len > 0 && cell.ptr[0] == 't' ? "yes" : "no"));
	else
		output_plain(cell, out);
}

/* The width of column ${col} in row ${row} (-1: its header), in code points.  Where ${scratch} has
 * not the text, ${out} has failed: a width that is too small once would be taken from a right one.
 */
static size_t
width(const struct output_table *t, long row, size_t col, struct buf *scratch, struct buf *out)
{
	buf_reset(scratch);
	if (row < 0)
		title(t->cols[col].name, true, scratch);
	else
		plain_cell(&t->cols[col], t->cells[(size_t)row * t->ncols + col], scratch);
	if (!buf_ok(scratch))
		buf_fail(out);
	return (text_utf8_count(buf_slice(scratch)));
}

static void
blanks(size_t n, struct buf *out)
{
	for (; n > 0; n--)
		buf_addc(out, ' ');
}

/* Append one line: numbers to the right, all else to the left, nothing behind the last. */
static void
plain_row(const struct output_table *t, long row, const size_t widths[], struct buf *scratch,
    struct buf *out)
{
	bool right;
	size_t i, pad;

	for (i = 0; i < t->ncols; i++) {
		pad = width(t, row, i, scratch, out);
		if (!buf_ok(out))
			return;
		pad = widths[i] - pad;
		right = t->cols[i].type == DB_TYPE_NUMBER;
		if (right)
			blanks(pad, out);
		buf_add(out, buf_slice(scratch));
		if (i + 1 < t->ncols)
			blanks((right ? 0 : pad) + GAP, out);
	}
	buf_addc(out, '\n');
}

/* Append ${t} as aligned columns. */
static enum err
plain_list(const struct output_table *t, struct arena *a, struct buf *out)
{
	size_t *widths = arena_alloc(a, (t->ncols + 1) * sizeof(*widths));
	struct buf scratch;
	size_t col, w;
	long row;

	if (widths == NULL)
		return (ERR_NOMEM);
	buf_init(&scratch, out->max);
	for (col = 0; col < t->ncols; col++) {
		for (row = -1; row < (long)t->nrows; row++) {
			if ((w = width(t, row, col, &scratch, out)) > widths[col])
				widths[col] = w;
		}
	}
	for (row = -1; row < (long)t->nrows; row++)
		plain_row(t, row, widths, &scratch, out);
	buf_clear(&scratch);
	return (ERR_OK);
}

enum err
output_list(const struct output_table *t, bool json, struct arena *a, struct buf *out)
{
	size_t row;

	if (!json)
		return (plain_list(t, a, out));
	buf_addc(out, '[');
	for (row = 0; row < t->nrows; row++) {
		if (row > 0)
			buf_addc(out, ',');
		json_row(t, row, out);
	}
	buf_add(out, slice_of("]\n"));
	return (ERR_OK);
}

void
output_record(const struct output_table *t, bool json, struct buf *out)
{
	struct buf name;
	size_t i, widest = 0;

	if (json) {
		json_row(t, 0, out);
		buf_addc(out, '\n');
		return;
	}
	buf_init(&name, 1024);
	for (i = 0; i < t->ncols; i++) {
		buf_reset(&name);
		title(t->cols[i].name, false, &name);
		if (name.len > widest)
			widest = name.len;
		if (!buf_ok(&name))
			buf_fail(out);
	}
	for (i = 0; i < t->ncols && buf_ok(out); i++) {
		if (t->cells[i].ptr == NULL)
			continue;
		buf_reset(&name);
		title(t->cols[i].name, false, &name);
		buf_add(out, buf_slice(&name));
		blanks(widest - name.len + GAP, out);
		plain_cell(&t->cols[i], t->cells[i], out);
		buf_addc(out, '\n');
	}
	buf_clear(&name);
}
