/* What is sent for a delivery: the one place where event, channel and opened credentials meet. */
#include "courier/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "domain/channel.h"
#include "domain/event.h"
#include "domain/render.h"
#include "domain/sign.h"

/* Secrets
 * ------------------------------------------------------------------------------------------ */

void
message_secrets_init(struct message_secrets *s)
{
	memset(s, 0, sizeof(*s));
}

void
message_secrets_clear(struct message_secrets *s)
{
	size_t i;

	for (i = 0; i < s->nlist; i++) {
		mem_wipe((void *)(uintptr_t)s->list[i].ptr, s->list[i].len);
		free((void *)(uintptr_t)s->list[i].ptr);
	}
	memset(s, 0, sizeof(*s));
}

/* Open one sealed value. */
static enum err
open_one(struct message_secrets *s, struct seal_ring *seals, const struct store_claimed *d,
    const char *name, struct slice box, bool is_previous)
{
	const struct seal_where where = {&d->channel, channel_type_words[d->type], name};
	uint8_t *plain;
	size_t len = 0;
	enum err e;

	if (box.ptr == NULL)
		return (ERR_OK);
	if (s->nlist == MESSAGE_SECRETS_MAX)
		return (ERR_INTERNAL);
	if ((plain = calloc(1, box.len + 1)) == NULL) /* a box is longer than what is in it */
		return (ERR_NOMEM);
	if ((e = seal_open(seals, &where, box, plain, box.len, &len)) != ERR_OK) {
		free(plain);
		return (e);
	}
	s->names[s->nlist] = name;
	s->is_previous[s->nlist] = is_previous;
	s->list[s->nlist++] = slice_make(plain, len);
	return (ERR_OK);
}

/* Open the field ${name}, if the channel has it. */
static enum err
open_field(struct message_secrets *s, struct seal_ring *seals, const struct store_claimed *d,
    const char *name)
{
	const struct store_field *f;
	size_t i;
	enum err e;

	for (i = 0; i < d->nfields; i++) {
		f = &d->fields[i];
		if (strcmp(f->name, name) != 0)
			continue;
		if ((e = open_one(s, seals, d, name, f->sealed, false)) != ERR_OK)
			return (e);
		return (open_one(s, seals, d, name, f->previous, true));
	}
	return (ERR_OK);
}

enum err
message_secrets_open(
    struct message_secrets *s, struct seal_ring *seals, const struct store_claimed *d)
{
	const struct credentials_field *fields = channel_types[d->type].fields;
	size_t i;
	enum err e;

	for (i = 0; fields[i].name != NULL; i++) {
		if ((e = open_field(s, seals, d, fields[i].name)) != ERR_OK)
			return (e);
		/* the first says where messages go */
		if (s->nlist == 0)
			return (ERR_DAMAGED);
	}
	return (ERR_OK);
}

/* The opened value of a field; absent: the channel has none. */
static struct slice
secret(const struct message_secrets *s, const char *name, bool is_previous)
{
	size_t i;

	for (i = 0; i < s->nlist; i++) {
		if (strcmp(s->names[i], name) == 0 && s->is_previous[i] == is_previous)
			return (s->list[i]);
	}
	return (slice_of(NULL));
}

/* Messages
 * ----------------------------------------------------------------------------------------- */

void
message_init(struct message *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->url, 8192);
	buf_init(&m->body, RENDER_MAX);
}

void
message_clear(struct message *m)
{
	buf_clear(&m->url);
	buf_clear(&m->body);
	sign_clear(&m->signed_by);
	m->nfields = 0;
}

void
message_event_clear(struct message_event *e)
{
	event_free(e->event);
	memset(e, 0, sizeof(*e));
}

/* Read ${d}'s event, unless that is the one that was read last. */
static enum err
read_event(struct message_event *last, const struct store_claimed *d)
{
	char id[UUID_TEXT_SIZE], tenant[UUID_TEXT_SIZE], project[UUID_TEXT_SIZE];
	const struct event_known known = {.id = slice_make(id, sizeof(id) - 1),
	    .tenant_id = slice_make(tenant, sizeof(tenant) - 1),
	    .project_id = slice_make(project, sizeof(project) - 1),
	    .project_slug = slice_of(d->project_slug),
	    .occurred_ms = d->occurred_ms,
	    .accepted_ms = d->accepted_ms};

	if (last->event != NULL && uuid_equal(&last->id, &d->event) &&
	    uuid_equal(&last->tenant, &d->tenant))
		return (ERR_OK);
	message_event_clear(last);
	uuid_text(&d->event, id);
	uuid_text(&d->tenant, tenant);
	uuid_text(&d->project, project);
	last->id = d->event;
	last->tenant = d->tenant;
	return (event_parse(d->payload, &known, &last->event));
}

/** What is rendered, and the delivery's id in it. */
struct known {
	char delivery[UUID_TEXT_SIZE];
	struct render_input in;
};

/* Put together what is to be told of ${d}. */
static enum err
know(struct message_event *last, const struct store_claimed *d, int64_t now_ms, struct known *k)
{
	enum err e;

	if ((e = read_event(last, d)) != ERR_OK)
		return (e);
	uuid_text(&d->id, k->delivery);
	k->in = (struct render_input){.event = last->event,
	    .delivery_id = slice_make(k->delivery, sizeof(k->delivery) - 1),
	    .now_ms = now_ms,
	    .is_test = d->is_test};
	return (ERR_OK);
}

/* Where it goes, which for two platforms is not quite what is stored. */
static enum err
make_url(
    struct message *m, const struct store_claimed *d, const struct known *k, struct slice stored)
{
	if (render_posts[d->type].url != NULL)
		return (render_posts[d->type].url(stored, k->in.delivery_id, &m->url));
	buf_add(&m->url, stored);
	return (buf_ok(&m->url) ? ERR_OK : ERR_NOMEM);
}

/* Take "Name: value" apart in place, for a field of the request. */
static void
add_field(struct message *m, struct buf *line)
{
	struct slice rest = buf_slice(line), name;

	(void)slice_split(&rest, ':', &name);
	line->ptr[name.len] = '\0';
	m->fields[m->nfields++] = (struct post_field){name.ptr, slice_trim(rest)};
}

/* What only a webhook has: who sent it, and that it is so. */
static enum err
sign(struct message *m, const struct known *k, const struct message_secrets *s)
{
	const struct sign_input in = {.event = k->in.event->name,
	    .delivery_id = k->in.delivery_id,
	    .timestamp_s = k->in.now_ms / 1000,
	    .body = buf_slice(&m->body),
	    .auth_header = secret(s, "authHeader", false),
	    .hmac_secret = secret(s, "hmacSecret", false),
	    .old_secret = secret(s, "hmacSecret", true)};
	enum err e;
	size_t i;

	if ((e = sign_make(&in, &m->signed_by)) != ERR_OK)
		return (e);
	for (i = 0; i < m->signed_by.count; i++)
		add_field(m, &m->signed_by.lines[i]);
	return (ERR_OK);
}

enum err
message_http(struct message *m, struct message_event *last, const struct store_claimed *d,
    const struct message_secrets *secrets, int64_t now_ms)
{
	struct known k;
	enum err e;

	if ((e = know(last, d, now_ms, &k)) != ERR_OK ||
	    (e = make_url(m, d, &k, secrets->list[0])) != ERR_OK ||
	    (e = render_posts[d->type].body(&k.in, &m->body)) != ERR_OK)
		return (e);
	m->fields[m->nfields++] =
	    (struct post_field){"Content-Type", slice_of(render_posts[d->type].content_type)};
	return (d->type == CHANNEL_WEBHOOK ? sign(m, &k, secrets) : ERR_OK);
}

/* What stands behind the '@' of ${address}. */
static struct slice
domain_of(struct slice address)
{
	struct slice local;

	(void)slice_split(&address, '@', &local);
	return (address);
}

enum err
message_mail(struct message *m, const struct store_claimed *d, const struct settings *settings,
    struct slice recipient, int64_t now_ms)
{
	struct render_mail mail = {.from = slice_of(settings->mail_from),
	    .to = recipient,
	    .domain = domain_of(slice_of(settings->mail_envelope_from))};
	struct message_event last = {.event = NULL};
	struct known k;
	enum err e;

	buf_reset(&m->body);
	if ((e = know(&last, d, now_ms, &k)) == ERR_OK)
		e = render_email(&k.in, &mail, &m->body);
	message_event_clear(&last);
	return (e);
}
