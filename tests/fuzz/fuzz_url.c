/* URLs and the egress policy: what is taken keeps to the contract's bytes, reads the same again,
 * and no spelling of an inside address is let through. */
#include "base/url.h"

#include <string.h>

#include "domain/egress.h"
#include "fuzz.h"
#include "inside.h"

#define CANON_CAP (URL_MAX + URL_HOST_MAX + 32)

/* The host as it was written, between the scheme and what ends it; without brackets. */
static void
raw_host(struct slice text, char out[static URL_MAX + 1])
{
	const char *p = text.ptr + strlen("https://"), *end = text.ptr + text.len;
	bool bracket = p < end && *p == '[';
	size_t n = 0;

	for (p += bracket; p < end && strchr(bracket ? "]/?#" : ":/?#", *p) == NULL; p++)
		out[n++] = *p;
	out[n] = '\0';
}

/* Every byte and bound of contract §3. */
static void
check_form(struct slice text, const struct url *u)
{
	size_t i;

	MUST(text.len >= 1 && text.len <= URL_MAX);
	for (i = 0; i < text.len; i++)
		MUST(text.ptr[i] >= 0x21 && text.ptr[i] <= 0x7e &&
		     strchr("\\#", text.ptr[i]) == NULL);
	MUST(u->host[0] != '\0' && u->port != 0);
	MUST(u->host[strspn(u->host, "abcdefghijklmnopqrstuvwxyz0123456789-_.:")] == '\0');
	MUST(u->host[strlen(u->host) - 1] != '.');
	MUST(u->path.len >= 1 && u->path.ptr[0] == '/');
	MUST(memchr(u->path.ptr, '?', u->path.len) == NULL);
}

/* The canonical form reads the same. */
static void
check_again(const struct url *u)
{
	bool v6 = strchr(u->host, ':') != NULL;
	char canon[CANON_CAP];
	enum url_fault fault;
	struct url again;
	int n;

	n = snprintf(canon, sizeof(canon), "https://%s%s%s:%u%.*s%s%.*s", v6 ? "[" : "", u->host,
	    v6 ? "]" : "", (unsigned int)u->port, (int)u->path.len, u->path.ptr,
	    u->query.ptr == NULL ? "" : "?", (int)u->query.len,
	    u->query.ptr == NULL ? "" : u->query.ptr);
	MUST(n > 0 && (size_t)n < sizeof(canon));
	if (n > URL_MAX)
		return;
	MUST(url_parse(slice_make(canon, (size_t)n), &again, &fault) == ERR_OK);
	MUST(strcmp(again.host, u->host) == 0 && again.port == u->port);
	MUST(slice_eq(again.path, u->path) && slice_eq(again.query, u->query));
	MUST((again.query.ptr == NULL) == (u->query.ptr == NULL));
}

/* Neither what was written nor what we made of it is an inside address to the C library. */
static void
check_egress(struct slice text, const struct url *u)
{
	const struct egress closed = {NULL, 0, NULL, 0};
	char raw[URL_MAX + 1];
	struct address a;

	if (!egress_host_is_allowed(&closed, u->host, u->port))
		return;
	raw_host(text, raw);
	MUST(!inside_text(raw) && !inside_text(u->host));
	if (address_parse(slice_of(u->host), &a) == ERR_OK)
		MUST(address_is_public(&a));
	else
		MUST(strchr(u->host, '.') != NULL && strcmp(u->host, "localhost") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(size == 0 ? (const void *)"" : data, size);
	enum url_fault fault = URL_FINE;
	struct url u;
	enum err e;

	e = url_parse(text, &u, &fault);
	MUST(e == ERR_OK || (e == ERR_INVALID && fault > URL_FINE && fault < URL__MAX));
	if (e != ERR_OK)
		return (0);
	check_form(text, &u);
	check_again(&u);
	check_egress(text, &u);
	return (0);
}
