/* UUIDs: reading any version, making version 7. */
#include "base/uuid.h"

#include <string.h>

void
uuid_v7(int64_t wall_ms, const uint8_t random[10], struct uuid *out)
{
	size_t i;

	for (i = 0; i < 6; i++)
		out->bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
	memcpy(out->bytes + 6, random, 10);
	out->bytes[6] = (uint8_t)((out->bytes[6] & 0x0f) | 0x70);
	out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3f) | 0x80);
}

enum err
uuid_parse(struct slice s, struct uuid *out)
{
	static const uint8_t groups[] = {8, 4, 4, 4, 12};
	struct uuid u;
	size_t g, at = 0;

	if (s.len != UUID_TEXT_SIZE - 1)
		return (ERR_INVALID);
	for (g = 0; g < sizeof(groups); g++) {
		if (g > 0 && *s.ptr != '-')
			return (ERR_INVALID);
		s = slice_skip(s, g > 0 ? 1 : 0);
		if (text_unhex(slice_make(s.ptr, groups[g]), u.bytes + at, groups[g] / 2u) !=
		    ERR_OK)
			return (ERR_INVALID);
		s = slice_skip(s, groups[g]);
		at += groups[g] / 2u;
	}
	*out = u;
	return (ERR_OK);
}

void
uuid_text(const struct uuid *u, char out[UUID_TEXT_SIZE])
{
	char hex[33];
	size_t i, at = 0;

	text_hex(u->bytes, sizeof(u->bytes), hex);
	for (i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			out[at++] = '-';
		out[at++] = hex[i];
	}
	out[at] = '\0';
}

bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return (memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0);
}
