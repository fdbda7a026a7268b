#ifndef ADAPTERS_POST_PART_H
#define ADAPTERS_POST_PART_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/post.h"
#include "adapters/post_map.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/url.h"

/* What post.c, post_open.c, post_http.c and post_mail.c share; nobody else includes it. */

#define POST_REPLY_MAX   2048 /* bytes of a line of a relay's; RFC 5321 §4.5.3.1.5 allows 512 */
#define POST_MESSAGE_MAX (4 * 1024 * 1024) /* bytes of a message with its dots doubled */

#define POST_FIELD_MAX 64 /* bytes of a field of the answer that is kept, and its NUL */

/* Fields of an answer that outcome_classify() asks for. */
enum post_kept {
	POST_KEPT_RETRY_AFTER = 0,
	POST_KEPT_RATE_REMAINING,
	POST_KEPT_RATE_RESET_AFTER,
	POST_KEPT__MAX
};

/** A connection to the relay that is logged in and has nothing to do. */
struct post_line {
	CURL *easy;
	int fd;
	int64_t since_ms;
	char peer[POST_PEER_SIZE];
};

/** A socket to the relay that is being connected, and whose. */
struct post_socket {
	int fd;
	struct post_flight *owner; /* NULL: its line's */
};

#define POST_LINES_MAX 8 /* that are kept */

struct post {
	const struct settings *settings;
	struct post_watcher watcher;
	struct clock clock;
	CURLM *multi;
	struct post_flight *flights;  /* all of them */
	struct post_flight *speaking; /* those of them that speak with the relay */
	size_t nflights;
	struct buf password;
	int64_t curl_wake_at_ms; /* when libcurl wants to be called; -1: it does not */
	bool has_settled;        /* a flight has ended before it began */
	struct post_socket *sockets;
	size_t nsockets, sockets_cap;
	struct post_line lines[POST_LINES_MAX];
	size_t nlines;
};

/** A flight's part that only mail has. */
struct post_talk {
	struct post_flight *next, **link; /* in post.speaking, while link is set */
	int fd;
	unsigned int watched; /* events that the watcher was asked for */
	int64_t deadline_ms;
	char *recipient;
	struct slice message;
	struct buf out; /* the command, or the message, under way */
	size_t sent;    /* bytes of it */
	struct buf in;  /* a line of a reply that is not whole */
};

struct post_flight {
	struct post *post;
	struct post_flight *next, **link;
	CURL *easy;
	bool is_mail, is_added;
	post_done *done;
	void *ctx;
	int64_t began_ms, connect_ms;
	bool is_reused; /* over a connection that was there already */
	char peer[POST_PEER_SIZE];
	const struct egress_pin *pin;
	struct curl_slist *fields, *connect_to, *resolve;
	char host[URL_HOST_MAX];
	struct post_trace trace;
	struct buf body;
	bool body_is_full;
	char kept[POST_KEPT__MAX][POST_FIELD_MAX];
	struct post_talk talk;
};

/* Set an option of a flight; the first failure sticks in ${code}. */
#define POST_SET(f, code, option, value)                                         \
	do {                                                                     \
		if ((code) == CURLE_OK)                                          \
			(code) = curl_easy_setopt((f)->easy, (option), (value)); \
	} while (0)

/**
 * post_set_common(f), post_set_target(f, host, port):
 * Set what all transfers have in common, the door to the network among it; and where to connect.
 */
CURLcode post_set_common(struct post_flight *f);
CURLcode post_set_target(struct post_flight *f, const char *host, uint16_t port);

/**
 * post_is_proxied(f), post_set_proxy(f):
 * Does ${f} go through the egress proxy?  If so, set it.
 */
bool post_is_proxied(const struct post_flight *f);
CURLcode post_set_proxy(struct post_flight *f);

/**
 * post_http_is_sound(m), post_http_set(f, m, url):
 * Are the fields of ${m} such that none ends early?  Set the options of ${f} for it.
 *
 * post_http_is_whole(f, code):
 * Has all of the answer come, though libcurl ended with ${code} since it could not go on sending?
 * A server may answer what it has not read, and then reset the stream (RFC 9113 §8.1) or stall it.
 */
bool post_http_is_sound(const struct post_http *m);
CURLcode post_http_set(struct post_flight *f, const struct post_http *m, const struct url *url);
bool post_http_is_whole(const struct post_flight *f, CURLcode code);

/**
 * post_bracketed(host, out):
 * ${host} as it stands in a URL.
 */
const char *post_bracketed(const char *host, char out[URL_HOST_MAX + 2]);

/**
 * post_set_timer(p):
 * Ask the watcher to wake ${p} when it is next due.
 */
void post_set_timer(struct post *p);

/**
 * post_measure(f):
 * Put down what libcurl knows of the connection of ${f}.
 */
void post_measure(struct post_flight *f);

/**
 * post_flight_end(f, way, detail):
 * Tell that ${f} went so, and free it.
 */
void post_flight_end(struct post_flight *f, enum outcome_way way, const char *detail);

/**
 * post_mail_set(f):
 * Set the options that connect ${f} to the relay, and no more.
 */
CURLcode post_mail_set(struct post_flight *f);

/**
 * post_mail_take_line(f):
 * Give ${f} a connection that is open already and begin to speak.  False: there is none.
 */
bool post_mail_take_line(struct post_flight *f);

/**
 * post_mail_connected(f):
 * libcurl has connected ${f}: begin to speak.
 */
void post_mail_connected(struct post_flight *f);

/**
 * post_mail_on_ready(p, fd):
 * Go on with the flight that speaks on ${fd}.  False: none does.
 */
bool post_mail_on_ready(struct post *p, int fd);

/**
 * post_mail_on_timer(p, now_ms), post_mail_next_ms(p):
 * End those whose time is over; when the next one's is (-1: none).
 */
void post_mail_on_timer(struct post *p, int64_t now_ms);
int64_t post_mail_next_ms(const struct post *p);

/**
 * post_mail_clear(f), post_mail_close_lines(p):
 * Free what only mail has, ending the talk; close the idle connections.
 */
void post_mail_clear(struct post_flight *f);
void post_mail_close_lines(struct post *p);

/**
 * post_mail_hang_up(f):
 * Shut the sockets that ${f} is connecting by.
 */
void post_mail_hang_up(const struct post_flight *f);

#endif
