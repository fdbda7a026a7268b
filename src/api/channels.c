/* What can be done with channels. */
#include "api/channels.h"

#include <string.h>

#include "api/call.h"
#include "base/crypt.h"
#include "base/uuid.h"
#include "domain/channel.h"

#define COLLECTION "/v1/config/notifications/"

/* bytes of three values of credentials, sealed and in hex */
#define SEALED_MAX (CREDENTIALS_FIELDS_MAX * (2 * (CREDENTIALS_VALUE_MAX + SEAL_OVERHEAD) + 16))

/* The sealed form of a channel's credentials, as the two array parameters that the database takes.
 */
struct sealed {
	struct buf names, boxes;
};

/* Seal each value to the courier's key, bound to the channel it belongs to. */
static enum err
seal_credentials(
    struct call *c, const struct uuid *id, const struct channel_new *new, struct sealed *out)
{
	const struct credentials *cred = &new->credentials;
	struct seal_where where = {id, channel_type_words[new->type], NULL};
	int64_t now_ms = clock_mono_ms(&c->api->clock);
	enum err e = ERR_OK;
	struct buf box;
	size_t i;

	buf_init(&box, CREDENTIALS_VALUE_MAX + SEAL_OVERHEAD);
	for (i = 0; i < cred->nvalues && e == ERR_OK; i++) {
		where.field = cred->values[i].name;
		buf_reset(&box);
		e = seal_close(
		    c->api->sender, now_ms, &where, buf_slice(&cred->values[i].text), &box);
		db_array_text(&out->names, slice_of(where.field));
		db_array_bytes(&out->boxes, buf_slice(&box));
	}
	db_array_end(&out->names);
	db_array_end(&out->boxes);
	buf_clear(&box);
	if (e == ERR_OK && !(buf_ok(&out->names) && buf_ok(&out->boxes)))
		e = ERR_NOMEM;
	return (e);
}

/* Make a version 7 id for a new channel. */
static void
new_id(struct call *c, struct uuid *id)
{
	uint8_t random[10];

	crypt_random(random, sizeof(random));
	uuid_v7(clock_wall_ms(&c->api->clock), random, id);
}

/* Seal and write the channel.  Its id is made before: so a call that is repeated after a lost
 * COMMIT finds its own row. */
static enum err
store_new(struct call *c, const struct uuid *id, const struct channel_new *new)
{
	struct store_channel row = {.id = id,
	    .type = channel_type_words[new->type],
	    .name = new->name,
	    .threshold = (int)new->threshold,
	    .destination = new->credentials.destination};
	struct sealed sealed;
	enum err e;

	buf_init(&sealed.names, 256);
	buf_init(&sealed.boxes, SEALED_MAX);
	if ((e = seal_credentials(c, id, new, &sealed)) == ERR_OK) {
		row.fields = buf_str(&sealed.names);
		row.sealed = buf_str(&sealed.boxes);
		e = store_channel_create(c->api->db, &c->caller, &row, c->deadline_ms, &c->ruling);
	}
	buf_clear(&sealed.names);
	buf_clear(&sealed.boxes);
	return (e);
}

/* 201, the id and where it can be found. */
static void
answer_created(struct call *c, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE], *json;

	uuid_text(id, text);
	if ((json = arena_printf(c->arena, "{\"id\":\"%s\"}", text)) == NULL) {
		reply_refuse(c->out, REFUSAL_INTERNAL, slice_of(NULL));
		return;
	}
	reply_data(c->out, 201, slice_of(json));
	buf_printf(&c->out->headers, "Location: " COLLECTION "%s\r\n", text);
}

void
channels_create(struct call *c)
{
	struct channel_new new;
	struct uuid id;

	memset(&new, 0, sizeof(new));
	if (c->body != NULL)
		channel_new_parse(c->body, &c->api->settings->policy, &c->issues, &new);
	if (call_is_refused(c)) {
		call_refuse(c);
	} else {
		new_id(c, &id);
		if (call_settle(c, store_new(c, &id, &new)))
			answer_created(c, &id);
	}
	channel_new_clear(&new);
}
