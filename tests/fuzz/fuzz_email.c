/* Lists of e-mail addresses, as a string or an array: what is stored is a list that reads the same
 * again, of addresses that no header and no SMTP command can be broken with. */
#include <string.h>

#include "base/mem.h"
#include "domain/channel.h"
#include "fuzz.h"

#define TEXT_MAX  (256 * 1024)
#define EMAIL_MAX 254

static const struct credentials_policy closed;

/* Judge ${recipients}, a JSON text; where it is taken append what would be stored to ${stored}. */
static bool
judge(struct slice recipients, struct buf *stored, bool *is_json)
{
	struct credentials c;
	struct json_fault fault;
	struct issues issues;
	struct arena *arena = arena_new();
	struct json *tree = NULL;
	bool is_taken = false;
	struct buf text;

	buf_init(&text, 4 * TEXT_MAX);
	buf_add(&text, slice_of("{\"recipients\":"));
	buf_add(&text, recipients);
	buf_addc(&text, '}');
	MUST(arena != NULL && buf_ok(&text));
	*is_json = json_parse(buf_slice(&text), &tree, &fault) == ERR_OK;
	if (*is_json) {
		issues_init(&issues, arena);
		credentials_parse(CHANNEL_EMAIL, tree, &closed, &issues, &c);
		is_taken = issues.count == 0;
		MUST(!issues.failed);
		if (is_taken) {
			MUST(c.nvalues == 1 && strcmp(c.values[0].name, "recipients") == 0);
			MUST(memchr(c.destination, '\0', sizeof(c.destination)) != NULL);
			buf_add(stored, buf_slice(&c.values[0].text));
		}
		credentials_clear(&c);
		json_free(tree);
	}
	buf_clear(&text);
	arena_free(arena);
	return (is_taken);
}

/* One address: its bytes and lengths, by no code of the product's. */
static void
check_one(struct slice s)
{
	const char *at = memchr(s.ptr, '@', s.len);
	size_t i;

	MUST(s.len >= 3 && s.len <= EMAIL_MAX && credentials_is_address(s));
	MUST(at != NULL && at > s.ptr && at - s.ptr <= 64);
	MUST(memchr(at + 1, '@', s.len - (size_t)(at + 1 - s.ptr)) == NULL);
	MUST(memchr(at, '.', s.len - (size_t)(at - s.ptr)) != NULL);
	for (i = 0; i < s.len; i++)
		MUST(s.ptr[i] > 0x20 && s.ptr[i] < 0x7f &&
		     strchr("<>()[]\\,;:\"", s.ptr[i]) == NULL);
}

/* The stored list: 1 to 50, no two the same, and stored again it is the same. */
static void
check_stored(struct slice list)
{
	struct slice rest = list, part, seen[CREDENTIALS_RECIPIENTS_MAX];
	size_t n = 0, i;
	struct buf quoted, again;
	bool is_json;

	MUST(list.len >= 1 && list.len <= CREDENTIALS_VALUE_MAX);
	while (slice_split(&rest, ',', &part)) {
		check_one(part);
		MUST(n < CREDENTIALS_RECIPIENTS_MAX);
		for (i = 0; i < n; i++)
			MUST(!slice_eq(seen[i], part));
		seen[n++] = part;
	}
	buf_init(&quoted, TEXT_MAX);
	buf_init(&again, TEXT_MAX);
	json_put(&quoted, list);
	MUST(judge(buf_slice(&quoted), &again, &is_json) && slice_eq(buf_slice(&again), list));
	buf_clear(&quoted);
	buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_make(size == 0 ? (const void *)"" : data, size);
	struct buf quoted, stored;
	bool is_json;

	if (size > TEXT_MAX / 8)
		return (0);
	if (credentials_is_address(input))
		check_one(input);
	buf_init(&quoted, TEXT_MAX);
	buf_init(&stored, TEXT_MAX);
	/* as JSON where it is some, so as an array; else as the string */
	if (judge(input, &stored, &is_json))
		check_stored(buf_slice(&stored));
	if (!is_json && memchr(input.ptr, '\0', input.len) == NULL) {
		json_put(&quoted, input);
		if (judge(buf_slice(&quoted), &stored, &is_json))
			check_stored(buf_slice(&stored));
		MUST(is_json);
	}
	buf_clear(&quoted);
	buf_clear(&stored);
	return (0);
}
