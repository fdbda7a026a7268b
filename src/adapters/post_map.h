#ifndef ADAPTERS_POST_MAP_H
#define ADAPTERS_POST_MAP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "domain/outcome.h"

/* For post.c alone: how libcurl's results become ours. */

/** What was seen of a transfer on its way. */
struct post_trace {
	bool is_mail, is_proxied;
	enum outcome_way verdict;       /* set before it began; OUTCOME_WAY_ANSWERED: it may fly */
	bool is_named;                  /* it goes to what a resolver says of its host */
	bool resolved;                  /* a resolver was asked */
	unsigned int nrefused, nopened; /* addresses that the policy refused, and let pass */
	bool has_connected;             /* a TCP connection stood */
	int connect_code;               /* the proxy's answer to CONNECT; 0: none */
	size_t header_bytes;
	bool header_is_large;
	enum outcome_step step; /* of mail: the command that is under way */
	int code;               /* the HTTP status, or that command's reply; 0: not yet */
	bool is_over;           /* QUIT was said: what comes now does not count */
};

/**
 * post_trace_command(t, line), post_trace_reply(t, line):
 * Note a command of libcurl's, of which only the name is looked at (false: it is none that counts);
 * a line of a reply.
 */
bool post_trace_command(struct post_trace *t, struct slice line);
void post_trace_reply(struct post_trace *t, struct slice line);

/**
 * post_trace_way(t, code):
 * How the transfer that ended with ${code} went.
 */
enum outcome_way post_trace_way(const struct post_trace *t, CURLcode code);

#endif
