/*
 * An event as the queue keeps it, for those who render it.  What it holds was judged when it was
 * published; here nothing is believed all the same: a field of another type is one that is missing.
 */
#include "domain/event.h"

#include <stdlib.h>
#include <string.h>

/** Where a string of the payload goes. */
struct field {
	const char *name;
	size_t at; /* of a struct slice, in the struct that is filled */
};

/* 0001-01-01 and 9999-12-31, the days that RFC 3339 can write. */
#define FIRST_MS (-62135596800000)
#define LAST_MS  253402300799999

#define FIELD(type, name, member)            \
	{                                    \
		name, offsetof(type, member) \
	}

static const struct field event_fields[] = {
    FIELD(struct event, "event", name),
    FIELD(struct event, "summary", summary),
    FIELD(struct event, "analysisId", analysis_id),
    FIELD(struct event, "url", url),
    FIELD(struct event, "confidence", confidence),
    {NULL, 0},
};

static const struct field cause_fields[] = {
    FIELD(struct event_cause, "description", description),
    FIELD(struct event_cause, "service", service),
    FIELD(struct event_cause, "errorType", error_type),
    FIELD(struct event_cause, "category", category),
    {NULL, 0},
};

static const struct field service_fields[] = {
    FIELD(struct event_service, "serviceName", name),
    FIELD(struct event_service, "role", role),
    FIELD(struct event_service, "errorCount", error_count),
    {NULL, 0},
};

static const struct field action_fields[] = {
    FIELD(struct event_action, "action", action),
    FIELD(struct event_action, "priority", priority),
    FIELD(struct event_action, "rationale", rationale),
    FIELD(struct event_action, "type", type),
    {NULL, 0},
};

/* The text of a string or a number, else absent. */
static struct slice
text_of(const struct json *v)
{
	if (v == NULL)
		return (slice_make(NULL, 0));
	return (json_type(v) == JSON_NUMBER ? json_number(v) : json_string(v));
}

/* Fill the slices of ${out} that ${fields} name from the members of ${object}, which may be NULL.
 */
static void
fill(void *out, const struct field *fields, const struct json *object)
{
	for (; object != NULL && fields->name != NULL; fields++)
		*(struct slice *)(void *)((char *)out + fields->at) =
		    text_of(json_get(object, fields->name));
}

/*
 * Read an array whose elements are objects with ${fields}, or strings that stand for the first of
 * them, into ${size} bytes each.  Elements without a text there are left out.
 */
static enum err
list(struct event *e, const struct json *array, const struct field *fields, size_t size,
    const void **out, size_t *count)
{
	const size_t n = array == NULL || json_type(array) != JSON_ARRAY ? 0 : json_len(array);
	const struct json *v;
	struct slice *first;
	char *items;
	size_t i;

	if ((items = arena_alloc(e->arena, n * size)) == NULL)
		return (ERR_NOMEM);
	*out = items;
	for (i = 0; i < n; i++) {
		v = json_at(array, i);
		first = (struct slice *)(void *)(items + *count * size + fields->at);
		if (json_type(v) == JSON_STRING)
			*first = json_string(v);
		else
			fill(items + *count * size, fields, v);
		if (first->len > 0)
			(*count)++;
		else
			memset(items + *count * size, 0, size);
	}
	return (ERR_OK);
}

static enum err
lists(struct event *e)
{
	const void *services = NULL, *actions = NULL;
	enum err rc;

	rc = list(e, json_get(e->payload, "affectedServices"), service_fields,
	    sizeof(struct event_service), &services, &e->nservices);
	if (rc == ERR_OK)
		rc = list(e, json_get(e->payload, "suggestedActions"), action_fields,
		    sizeof(struct event_action), &actions, &e->nactions);
	e->services = services;
	e->actions = actions;
	return (rc);
}

static enum err
copy(struct arena *a, struct slice *s)
{
	s->ptr = arena_dup(a, *s);
	return (s->ptr == NULL ? ERR_NOMEM : ERR_OK);
}

static enum err
copy_known(struct event *e, const struct event_known *known)
{
	struct slice *const texts[] = {
	    &e->known.id, &e->known.tenant_id, &e->known.project_id, &e->known.project_slug};
	enum err rc = ERR_OK;
	size_t i;

	e->known = *known;
	if (e->known.occurred_ms < FIRST_MS)
		e->known.occurred_ms = FIRST_MS;
	if (e->known.occurred_ms > LAST_MS)
		e->known.occurred_ms = LAST_MS;
	for (i = 0; rc == ERR_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
		rc = copy(e->arena, texts[i]);
	return (rc);
}

static enum err
read_tree(struct event *e, struct slice payload)
{
	struct json_fault fault;
	enum err rc = json_parse(payload, &e->tree, &fault);
	const struct json *severity;

	if (rc != ERR_OK)
		return (rc == ERR_NOMEM ? rc : ERR_DAMAGED);
	e->payload = e->tree;
	fill(e, event_fields, e->payload);
	fill(&e->cause, cause_fields, json_get(e->payload, "rootCause"));
	if ((severity = json_get(e->payload, "severity")) == NULL ||
	    severity_parse(json_string(severity), &e->severity) != ERR_OK || e->name.len == 0 ||
	    e->summary.len == 0)
		return (ERR_DAMAGED);
	return (lists(e));
}

enum err
event_parse(struct slice payload, const struct event_known *known, struct event **out)
{
	enum err rc = ERR_NOMEM;
	struct event *e;

	*out = NULL;
	if (payload.len > EVENT_PAYLOAD_MAX)
		return (ERR_SPACE);
	if ((e = calloc(1, sizeof(*e))) == NULL || (e->arena = arena_small_new()) == NULL)
		goto out;
	if ((rc = copy_known(e, known)) != ERR_OK || (rc = read_tree(e, payload)) != ERR_OK)
		goto out;
	*out = e;
	e = NULL;
out:
	event_free(e);
	return (rc);
}

void
event_free(struct event *e)
{
	if (e == NULL)
		return;
	if (e->tree != NULL)
		json_free(e->tree);
	arena_free(e->arena);
	free(e);
}
