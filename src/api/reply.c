/* What the API answers: one envelope for data, one for errors, and the table of all errors
 * (contract §§1–3). */
#include "api/reply.h"

#include "base/json.h"

#define BODY_MAX    (256 * 1024 * 1024) /* bytes; a list of all channels is the largest */
#define HEADERS_MAX 4096

struct refusal_row {
	int status;
	const char *code;
	const char *message;
	const char *header; /* a line that goes with it, or NULL */
};

#define BEARER "WWW-Authenticate: Bearer\r\n"
#define RETRY  "Retry-After: 2\r\n"

/* clang-format off */
static const struct refusal_row rows[REFUSAL__MAX] = {
	[REFUSAL_NOT_FOUND] = {404, "NOT_FOUND",
	    "There is nothing at this path. Check it against the API reference: paths are case-sensitive and have no slash at the end.", NULL},
	[REFUSAL_METHOD] = {405, "METHOD_NOT_ALLOWED",
	    "This path does not take this method. The Allow header lists those it takes.", NULL},
	[REFUSAL_NO_KEY] = {401, "UNAUTHORIZED",
	    "This request has no API key. Send the header 'Authorization: Bearer <key>' with a key that begins with ss_secret_ or ss_org_.", BEARER},
	[REFUSAL_BAD_SCHEME] = {401, "UNAUTHORIZED",
	    "The Authorization header must read 'Bearer <key>', with a key that begins with ss_secret_ or ss_org_.", BEARER},
	[REFUSAL_BAD_KEY] = {401, "UNAUTHORIZED",
	    "This is not an API key of ours: it is cut, mistyped or of another service. Copy the whole key, from ss_ to its last character.", BEARER},
	[REFUSAL_OLD_KEY] = {401, "KEY_FORMAT_DEPRECATED",
	    "Keys of this old form (tb_…, ss_live_…) are no longer accepted. Create a new key, which begins with ss_secret_ or ss_org_.", BEARER},
	[REFUSAL_UNKNOWN_KEY] = {401, "UNAUTHORIZED",
	    "This API key does not exist here. Check that it was made for this installation, or create a new one.", BEARER},
	[REFUSAL_KEY_REVOKED] = {401, "API_KEY_REVOKED",
	    "This API key has been revoked. Use another one, or ask an admin for a new one.", BEARER},
	[REFUSAL_KEY_EXPIRED] = {401, "API_KEY_EXPIRED",
	    "This API key has expired. Use another one, or ask an admin for a new one.", BEARER},
	[REFUSAL_SECRET_KEY] = {403, "SECRET_KEY_REQUIRED",
	    "A public key (ss_pub_…) cannot be used here. Use a secret key (ss_secret_… or ss_org_…), and only from a server.", NULL},
	[REFUSAL_SUSPENDED] = {403, "TENANT_SUSPENDED",
	    "This organization has been suspended by an admin, so its keys do nothing for now. Ask the admin of this service.", NULL},
	[REFUSAL_MISSING_PROJECT] = {400, "MISSING_PROJECT_ID",
	    "An organization key must say which project it means: send its id in the header X-Project-Id.", NULL},
	[REFUSAL_WRONG_PROJECT] = {403, "WRONG_PROJECT",
	    "The project in X-Project-Id is not one that this key can use. Leave the header out with an ss_secret_ key; with an ss_org_ key send the id of a project of the same organization.", NULL},
	[REFUSAL_FORBIDDEN] = {403, "FORBIDDEN",
	    "This API key lacks the permission that this request needs (see details.required). Use a key that has it.", NULL},
	[REFUSAL_TENANT_WIDE] = {403, "FORBIDDEN",
	    "This channel belongs to the whole organization: a project's key may read it, but only an ss_org_ key may change or delete it.", NULL},
	[REFUSAL_RATE] = {429, "RATE_LIMITED",
	    "This API key has made as many requests in this minute as its plan allows. Wait as long as Retry-After says, or move to a larger plan.", NULL},
	[REFUSAL_NO_CHANNEL] = {404, "NOT_FOUND",
	    "There is no channel with this id that this key can reach. List the channels to see their ids; a deleted one does not come back.", NULL},
	[REFUSAL_NO_EVENT] = {404, "NOT_FOUND",
	    "There is no event with this id that this key can reach. Events are kept for a time only, as the operator has set it.", NULL},
	[REFUSAL_NO_DELIVERY] = {404, "NOT_FOUND",
	    "This channel has no delivery with this id. List its deliveries to see their ids; old ones are kept for a time only.", NULL},
	[REFUSAL_NOT_FINISHED] = {409, "NOT_FINISHED",
	    "This delivery has not ended yet: it is tried again by itself. Only one that is delivered, failed or cancelled can be sent again.", NULL},
	[REFUSAL_INACTIVE] = {409, "CHANNEL_INACTIVE",
	    "This channel is switched off, so nothing but a test is sent to it. Switch it on first: PUT it with \"isActive\": true.", NULL},
	[REFUSAL_KEY_CONFLICT] = {409, "IDEMPOTENCY_KEY_CONFLICT",
	    "This Idempotency-Key was used in the last 24 hours for another request. Send a new request with a new key; the same one again, byte for byte, with the same key.", NULL},
	[REFUSAL_MEDIA_TYPE] = {415, "UNSUPPORTED_MEDIA_TYPE",
	    "The body must be JSON in UTF-8: send it with the header 'Content-Type: application/json'.", NULL},
	[REFUSAL_TOO_LARGE] = {413, "PAYLOAD_TOO_LARGE",
	    "The body is larger than this path takes: 64 KiB; POST /v1/events takes 256 KiB.", NULL},
	[REFUSAL_CUT_BODY] = {400, "BAD_REQUEST",
	    "The body is not as long as the request said. Send it again, whole.", NULL},
	[REFUSAL_VALIDATION] = {400, "VALIDATION_ERROR",
	    "The request has problems that must be fixed first; details.issues lists every one with its place.", NULL},
	[REFUSAL_QUOTA] = {403, "QUOTA_EXCEEDED",
	    "This project has as many channels as its plan allows (see details). Delete one that is not needed, or move to a larger plan.", NULL},
	[REFUSAL_INTERNAL] = {500, "INTERNAL_ERROR",
	    "Something went wrong on our side. The X-Request-Id of this answer finds the reason in the server's log.", NULL},
	[REFUSAL_UNAVAILABLE] = {503, "SERVICE_UNAVAILABLE",
	    "This could not be done in time: the database is away or busy, or another request holds what this one needs. Try again after Retry-After seconds, with the same Idempotency-Key if you sent one.", RETRY},
};

static const enum refusal of_verdict[VERDICT__MAX] = {
	[VERDICT_OK] = REFUSAL_NONE,
	[VERDICT_UNAUTHORIZED] = REFUSAL_UNKNOWN_KEY,
	[VERDICT_KEY_REVOKED] = REFUSAL_KEY_REVOKED,
	[VERDICT_KEY_EXPIRED] = REFUSAL_KEY_EXPIRED,
	[VERDICT_SECRET_KEY_REQUIRED] = REFUSAL_SECRET_KEY,
	[VERDICT_TENANT_SUSPENDED] = REFUSAL_SUSPENDED,
	[VERDICT_MISSING_PROJECT] = REFUSAL_MISSING_PROJECT,
	[VERDICT_BAD_PROJECT] = REFUSAL_VALIDATION,
	[VERDICT_WRONG_PROJECT] = REFUSAL_WRONG_PROJECT,
	[VERDICT_FORBIDDEN] = REFUSAL_FORBIDDEN,
	[VERDICT_RATE_LIMITED] = REFUSAL_RATE,
	[VERDICT_NOT_FOUND] = REFUSAL_NO_CHANNEL,
	[VERDICT_NO_DELIVERY] = REFUSAL_NO_DELIVERY,
	[VERDICT_INVALID] = REFUSAL_VALIDATION,
	[VERDICT_NOT_FINISHED] = REFUSAL_NOT_FINISHED,
	[VERDICT_CHANNEL_INACTIVE] = REFUSAL_INACTIVE,
	[VERDICT_TENANT_WIDE] = REFUSAL_TENANT_WIDE,
	[VERDICT_REPLAYED] = REFUSAL_INTERNAL, /* told apart before */
	[VERDICT_KEY_CONFLICT] = REFUSAL_KEY_CONFLICT,
	[VERDICT_QUOTA] = REFUSAL_QUOTA,
	[VERDICT_CONFLICT] = REFUSAL_INTERNAL,
};
/* clang-format on */

void
reply_init(struct reply *r)
{
	r->status = 0;
	r->code = NULL;
	r->content_type = "application/json";
	buf_init(&r->headers, HEADERS_MAX);
	buf_init(&r->body, BODY_MAX);
}

void
reply_clear(struct reply *r)
{
	buf_clear(&r->headers);
	buf_clear(&r->body);
}

void
reply_header(struct reply *r, const char *name, const char *value)
{
	buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

void
reply_open(struct reply *r, int status)
{
	r->status = status;
	r->code = NULL;
	buf_reset(&r->body);
	buf_add(&r->body, slice_of("{\"success\":true,\"data\":"));
}

void
reply_close(struct reply *r)
{
	buf_addc(&r->body, '}');
}

void
reply_data(struct reply *r, int status, struct slice json)
{
	reply_open(r, status);
	buf_add(&r->body, json);
	reply_close(r);
}

void
reply_text(struct reply *r, const char *content_type)
{
	r->status = 200;
	r->code = NULL;
	r->content_type = content_type;
	buf_reset(&r->body);
}

/* The error of ${row}, with ${message} for its own. */
static void
refuse(struct reply *r, const struct refusal_row *row, const char *message, struct slice details)
{
	r->status = row->status;
	r->code = row->code;
	r->content_type = "application/json";
	if (row->header != NULL)
		buf_add(&r->headers, slice_of(row->header));
	buf_reset(&r->body);
	buf_printf(
	    &r->body, "{\"success\":false,\"error\":{\"code\":\"%s\",\"message\":", row->code);
	json_put(&r->body, slice_of(message));
	if (details.ptr != NULL) {
		buf_add(&r->body, slice_of(",\"details\":"));
		buf_add(&r->body, details);
	}
	buf_add(&r->body, slice_of("}}"));
}

void
reply_refuse(struct reply *r, enum refusal why, struct slice details)
{
	refuse(r, &rows[why], rows[why].message, details);
}

void
reply_unready(struct reply *r, const char *why)
{
	refuse(r, &rows[REFUSAL_UNAVAILABLE], why, slice_of(NULL));
}

void
reply_settle(struct reply *r, struct slice *headers, struct slice *body)
{
	static const char plain_headers[] = "Content-Type: application/json\r\n",
			  plain_body[] =
			      "{\"success\":false,\"error\":{\"code\":\"INTERNAL_ERROR\","
			      "\"message\":\"Something went wrong on our side. Try again.\"}}";

	if (buf_ok(&r->headers) && buf_ok(&r->body)) {
		*headers = buf_slice(&r->headers);
		*body = buf_slice(&r->body);
		return;
	}
	r->status = rows[REFUSAL_INTERNAL].status;
	r->code = rows[REFUSAL_INTERNAL].code;
	*headers = slice_of(plain_headers);
	*body = slice_of(plain_body);
}

enum refusal
reply_refusal_of(enum verdict v)
{
	return (of_verdict[v]);
}
