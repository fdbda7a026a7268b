/* What a courier remembers of the database, outside of it, and how that stands in a file. */
#include "domain/epoch.h"

#include "base/when.h"

/* The first word of the line, with the version of its form. */
#define FORM "sigsentry-epoch-1"

enum err
epoch_set(struct epoch *e, struct slice mark, struct slice made_at)
{
	struct epoch made;
	int64_t at_ms;

	if (uuid_parse(mark, &made.mark) != ERR_OK || when_rfc3339(made_at, &at_ms) != ERR_OK)
		return (ERR_INVALID);
	clock_rfc3339(at_ms, made.made_at);
	*e = made;
	return (ERR_OK);
}

enum err
epoch_parse(struct slice text, struct epoch *e)
{
	struct slice line, form, mark;

	if (!slice_split(&text, '\n', &line) || text.ptr == NULL || text.len > 0)
		return (ERR_INVALID);
	if (!slice_split(&line, ' ', &form) || !slice_eq(form, slice_of(FORM)) ||
	    !slice_split(&line, ' ', &mark))
		return (ERR_INVALID);
	return (epoch_set(e, mark, line));
}

void
epoch_print(const struct epoch *e, struct buf *out)
{
	char mark[UUID_TEXT_SIZE];

	uuid_text(&e->mark, mark);
	buf_printf(out, FORM " %s %s\n", mark, e->made_at);
}
