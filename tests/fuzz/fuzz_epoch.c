/* courier_state, the file in which a courier keeps the database's mark: what is taken prints as it
 * stood but for the spelling of the time and of the id, that is taken again and prints the same,
 * and what is refused leaves nothing behind. */
#include <string.h>

#include "base/when.h"
#include "domain/epoch.h"
#include "fuzz.h"

/* ${e} as its file has it, into ${out}. */
static struct slice
print(const struct epoch *e, struct buf *out)
{
	buf_init(out, EPOCH_TEXT_MAX);
	epoch_print(e, out);
	MUST(buf_ok(out) && memchr(out->ptr, '\n', out->len) == out->ptr + out->len - 1);
	return (buf_slice(out));
}

/* Both of its words, each as the text has it. */
static void
check_words(struct slice text, const struct epoch *e)
{
	char mark[UUID_TEXT_SIZE];
	struct slice word;
	int64_t sent, kept;

	(void)slice_split(&text, ' ', &word);
	(void)slice_split(&text, ' ', &word);
	uuid_text(&e->mark, mark);
	MUST(slice_eq_nocase(word, slice_of(mark)));
	MUST(text.len > 0 && text.ptr[text.len - 1] == '\n');
	MUST(when_rfc3339(slice_make(text.ptr, text.len - 1), &sent) == ERR_OK);
	MUST(when_rfc3339(slice_of(e->made_at), &kept) == ERR_OK && sent == kept);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size);
	struct epoch e, again, before;
	struct buf once, twice;

	memset(&e, 0x5a, sizeof(e));
	before = e;
	if (epoch_parse(text, &e) != ERR_OK) {
		MUST(memcmp(&e, &before, sizeof(e)) == 0);
		return (0);
	}
	check_words(text, &e);
	MUST(epoch_parse(print(&e, &once), &again) == ERR_OK);
	MUST(uuid_equal(&e.mark, &again.mark) && strcmp(e.made_at, again.made_at) == 0);
	MUST(slice_eq(print(&again, &twice), buf_slice(&once)));
	buf_clear(&once);
	buf_clear(&twice);
	return (0);
}
