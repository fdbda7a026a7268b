/*
 * Events.  Their rules stand in sql/fn/event_issues.sql, since most producers publish from inside
 * the database; here only the JSON itself is judged, and the issues are put into the body's order.
 */
#include "api/events.h"

#include <string.h>

#include "adapters/store_event.h"
#include "api/admit.h"
#include "api/call.h"
#include "api/once.h"

#define SHOWN_MAX (16 * 1024 * 1024) /* bytes of an event with its deliveries */

/** Issues from the database on their way into the request's. */
struct sorting {
	struct call *c;
	const struct json *found; /* the array */
	bool done[ISSUES_MAX + 1];
	struct slice place; /* of the object whose members are looked through */
	size_t first;       /* its first issue; the others follow */
};

/* The code whose word is ${s}; ours are all known. */
static enum issue_code
code_of(struct slice s)
{
	unsigned int i;

	for (i = 0; i < ISSUE__MAX - 1; i++) {
		if (slice_eq(s, slice_of(issue_code_words[i])))
			break;
	}
	return ((enum issue_code)i);
}

/* Does ${path} begin with the member ${name}: name, name.…, name[…? */
static bool
is_below(struct slice path, struct slice name)
{
	return (slice_starts(path, name) &&
		(path.len == name.len || path.ptr[name.len] == '.' || path.ptr[name.len] == '['));
}

/* The path of issue ${i}; absent: there are not so many. */
static struct slice
path_at(const struct sorting *s, size_t i)
{
	const struct json *one = i <= ISSUES_MAX ? json_at(s->found, i) : NULL;

	return (one == NULL ? slice_of(NULL) : json_string(json_get(one, "path")));
}

/* Hand on issue ${i}, if it has not been. */
static void
hand_on_one(struct sorting *s, size_t i)
{
	const struct json *one = json_at(s->found, i);

	if (s->done[i])
		return;
	s->done[i] = true;
	issue_add(&s->c->issues, path_at(s, i).ptr, code_of(json_string(json_get(one, "code"))),
	    "%s", json_string(json_get(one, "message")).ptr);
}

/* One member of the object at s->place (json_each). */
static bool
visit_inner(void *ctx, struct slice name, struct json *value)
{
	struct sorting *s = ctx;
	struct slice path, tail;
	size_t i;

	(void)value;
	for (i = s->first; (path = path_at(s, i)).ptr != NULL && is_below(path, s->place); i++) {
		if (path.len == s->place.len)
			continue;
		tail = slice_make(path.ptr + s->place.len + 1, path.len - s->place.len - 1);
		if (slice_eq(tail, name))
			hand_on_one(s, i);
	}
	return (true);
}

/* Hand on the issues from ${i} on that lie in the same object as it, in the order of its members:
 * of rootCause, or of an element of a list. */
static void
hand_on_object(struct sorting *s, struct slice name, size_t i)
{
	const struct json *object = json_get(s->c->body, name.ptr);
	struct slice path = path_at(s, i);
	size_t at = 0, n = name.len;

	if (path.len > n && path.ptr[n] == '[') {
		while (++n < path.len && path.ptr[n] >= '0' && path.ptr[n] <= '9')
			at = at * 10 + (size_t)(path.ptr[n] - '0');
		n++; /* the bracket */
		object = json_at(object, at);
	}
	s->place = slice_make(path.ptr, n);
	s->first = i;
	if (json_type(object) == JSON_OBJECT)
		json_each(object, visit_inner, s);
}

/* Hand on what was found at the member ${name}; at any where that is absent. */
static void
hand_on(struct sorting *s, struct slice name)
{
	struct slice path;
	size_t i;

	for (i = 0; (path = path_at(s, i)).ptr != NULL; i++) {
		if (s->done[i] || (name.ptr != NULL && !is_below(path, name)))
			continue;
		if (name.ptr != NULL && path.len > name.len)
			hand_on_object(s, name, i);
		hand_on_one(s, i);
	}
}

/* One member of the body (json_each); most are the producer's own and have no issue. */
static bool
visit(void *ctx, struct slice name, struct json *value)
{
	static const char *const judged[] = {"event", "analysisId", "createdAt", "severity",
	    "summary", "url", "confidence", "rootCause", "affectedServices", "suggestedActions",
	    "deliveryId", "eventId", "tenantId", "projectId", "projectSlug", "payloadVersion"};
	size_t i;

	(void)value;
	for (i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		if (slice_eq(name, slice_of(judged[i])))
			hand_on(ctx, name);
	}
	return (true);
}

/* Make the database's ${issues} the request's, in body order, missing fields last. */
static void
take_issues(struct call *c, const char *issues)
{
	struct sorting s = {.c = c};
	struct json_fault fault;
	struct json *found = NULL;

	if (json_parse(slice_of(issues), &found, &fault) != ERR_OK) {
		c->issues.failed = true;
		return;
	}
	s.found = found;
	json_each(c->body, visit, &s);
	hand_on(&s, slice_of(NULL));
	json_free(found);
}

/* The database cannot hold it: so few numbers are that large that their place is not looked for. */
static void
refuse_number(struct call *c)
{
	issue_add(&c->issues, "", ISSUE_JSON,
	    "holds a number that is too large to be stored (over 131072 digits): send it as a "
	    "string");
	if (admit(c))
		admit_refuse(c);
}

static void
publish(struct call *c)
{
	struct store_event event = {.payload = buf_slice(&c->in->body), .once = &c->once};
	const char *answer = NULL, *issues = NULL;
	struct uuid id;
	enum err e;

	call_new_id(c, &id);
	event.id = &id;
	if ((e = once_make(c, NULL, NULL)) == ERR_OK)
		e = store_event_publish(c->api->db, &c->caller, &event, c->deadline_ms, c->arena,
		    &c->ruling, &answer, &issues);
	if (e == ERR_INVALID) {
		refuse_number(c);
		return;
	}
	if (e == ERR_OK && c->ruling.verdict == VERDICT_INVALID)
		take_issues(c, issues);
	if (e == ERR_OK && c->ruling.verdict == VERDICT_REPLAYED)
		reply_header(c->out, "Idempotency-Replayed", "true");
	else if (!admit_settle(c, e))
		return;
	reply_data(c->out, 202, slice_of(answer));
}

void
events_publish(struct call *c)
{
	if (c->body != NULL && json_type(c->body) != JSON_OBJECT)
		issue_add(&c->issues, "", ISSUE_JSON,
		    "the body must be a JSON object, not a JSON %s",
		    json_type_words[json_type(c->body)]);
	if (admit(c))
		publish(c);
}

void
events_get(struct call *c)
{
	struct buf data;
	enum err e;

	if (!admit(c))
		return;
	buf_init(&data, SHOWN_MAX);
	e = store_event_get(c->api->db, &c->caller, &c->id, c->deadline_ms, &c->ruling, &data);
	if (e == ERR_OK && c->ruling.verdict == VERDICT_NOT_FOUND)
		reply_refuse(c->out, REFUSAL_NO_EVENT, slice_of(NULL));
	else if (admit_settle(c, e == ERR_OK && !buf_ok(&data) ? ERR_NOMEM : e))
		reply_data(c->out, 200, buf_slice(&data));
	buf_clear(&data);
}
