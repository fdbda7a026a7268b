/*
 * libcurl's results in our words.  Its codes alone do not tell: a name that hangs and a server that
 * hangs are one timeout, an address refused by us and one by its host one failed connection, and
 * CURLINFO_RESPONSE_CODE keeps the last SMTP reply even where the connection broke behind it.  So
 * post.c takes notes on the way.
 */
#include "adapters/post_map.h"

#include <string.h>

/* clang-format off */

static const struct {
	CURLcode code;
	enum outcome_way way;
} ways[] = {
	{CURLE_OK, OUTCOME_WAY_ANSWERED},
	{CURLE_COULDNT_RESOLVE_HOST, OUTCOME_WAY_NAME},
	{CURLE_COULDNT_RESOLVE_PROXY, OUTCOME_WAY_PROXY},
	{CURLE_PROXY, OUTCOME_WAY_PROXY},
	{CURLE_COULDNT_CONNECT, OUTCOME_WAY_CONNECT},
	{CURLE_OPERATION_TIMEDOUT, OUTCOME_WAY_TIMEOUT},
	{CURLE_SSL_CONNECT_ERROR, OUTCOME_WAY_TLS},
	{CURLE_SSL_CIPHER, OUTCOME_WAY_TLS},
	{CURLE_USE_SSL_FAILED, OUTCOME_WAY_TLS},
	{CURLE_SSL_INVALIDCERTSTATUS, OUTCOME_WAY_CERTIFICATE},
	{CURLE_PEER_FAILED_VERIFICATION, OUTCOME_WAY_CERTIFICATE},
	{CURLE_SSL_ISSUER_ERROR, OUTCOME_WAY_CERTIFICATE},
	{CURLE_SEND_ERROR, OUTCOME_WAY_CUT},
	{CURLE_SEND_FAIL_REWIND, OUTCOME_WAY_CUT},
	{CURLE_RECV_ERROR, OUTCOME_WAY_CUT},
	{CURLE_GOT_NOTHING, OUTCOME_WAY_CUT},
	{CURLE_PARTIAL_FILE, OUTCOME_WAY_CUT},
	{CURLE_UPLOAD_FAILED, OUTCOME_WAY_CUT},
	{CURLE_WEIRD_SERVER_REPLY, OUTCOME_WAY_CUT},
	{CURLE_UNSUPPORTED_PROTOCOL, OUTCOME_WAY_CUT}, /* HTTP/0.9 */
	{CURLE_HTTP2, OUTCOME_WAY_CUT},
	{CURLE_HTTP2_STREAM, OUTCOME_WAY_CUT},
	{CURLE_BAD_CONTENT_ENCODING, OUTCOME_WAY_CUT},
};

/* The commands up to AUTH (RFC 5321, RFC 3207, RFC 4954) as libcurl writes them. */
static const struct {
	const char *command;
	enum outcome_step step;
} steps[] = {
	{"EHLO ", OUTCOME_STEP_EHLO},
	{"HELO ", OUTCOME_STEP_EHLO},
	{"STARTTLS\r\n", OUTCOME_STEP_STARTTLS},
	{"AUTH ", OUTCOME_STEP_AUTH},
};

/* clang-format on */

#define NELEMS(a) (sizeof(a) / sizeof((a)[0]))

bool
post_trace_command(struct post_trace *t, struct slice line)
{
	size_t i;

	t->is_over = t->is_over || slice_starts(line, slice_of("QUIT\r\n"));
	if (t->is_over)
		return (false);
	t->code = 0;
	for (i = 0; i < NELEMS(steps); i++) {
		if (slice_starts(line, slice_of(steps[i].command)))
			t->step = steps[i].step;
	}
	return (true);
}

void
post_trace_reply(struct post_trace *t, struct slice line)
{
	uint64_t code;

	while (line.len > 0 && strchr("\r\n", line.ptr[line.len - 1]) != NULL)
		line.len--;
	if (t->is_over || line.len < 3 || (line.len > 3 && line.ptr[3] != ' ') ||
	    text_u64(slice_make(line.ptr, 3), 599, &code) != ERR_OK)
		return; /* not the last line */
	t->code = (int)code;
}

static enum outcome_way
way_of(CURLcode code)
{
	size_t i;

	for (i = 0; i < NELEMS(ways); i++) {
		if (ways[i].code == code)
			return (ways[i].way);
	}
	return (OUTCOME_WAY_SELF);
}

/* The proxy's part in a failure.  Its 403 is its egress policy's; a destination that it cannot
 * reach is not its fault. */
static enum outcome_way
proxied_way(const struct post_trace *t, enum outcome_way way)
{
	if (t->connect_code == 403)
		return (OUTCOME_WAY_EGRESS);
	if (t->connect_code == 401 || t->connect_code == 407)
		return (OUTCOME_WAY_PROXY);
	if (t->connect_code >= 400)
		return (OUTCOME_WAY_CONNECT);
	if (t->connect_code == 0 && (!t->has_connected || way == OUTCOME_WAY_CUT))
		return (OUTCOME_WAY_PROXY);
	return (way);
}

/* Of mail: an error reply is an answer, whatever libcurl made of it. */
static enum outcome_way
mail_way(const struct post_trace *t, CURLcode code, enum outcome_way way)
{
	if (way == OUTCOME_WAY_TLS || way == OUTCOME_WAY_CERTIFICATE)
		return (way);
	if (t->code >= 400)
		return (OUTCOME_WAY_ANSWERED);
	/* it offers no way to authenticate that both know */
	return (code == CURLE_LOGIN_DENIED ? OUTCOME_WAY_SELF : way);
}

enum outcome_way
post_trace_way(const struct post_trace *t, CURLcode code)
{
	enum outcome_way way = way_of(code);

	/* whatever stood in the way of the name's first address */
	if (code == CURLE_OK)
		return (OUTCOME_WAY_ANSWERED);
	if (t->verdict != OUTCOME_WAY_ANSWERED)
		return (t->verdict);
	if (t->is_mail)
		return (mail_way(t, code, way));
	/* libcurl says "no memory" of a single line that is longer than it takes */
	if (t->header_is_large || (code == CURLE_OUT_OF_MEMORY && t->has_connected))
		return (OUTCOME_WAY_LARGE);
	if (t->nopened == 0 && t->nrefused > 0 && way == OUTCOME_WAY_CONNECT)
		return (OUTCOME_WAY_EGRESS);
	if (t->is_proxied)
		return (proxied_way(t, way));
	if (way == OUTCOME_WAY_TIMEOUT && t->resolved && t->nopened == 0 && t->nrefused == 0)
		return (OUTCOME_WAY_NAME);
	return (way);
}
