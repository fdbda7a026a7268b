/* message: an event is read once for all that tell of it, and told to nobody else's. */
#include "courier/message.h"

#include "domain/event.h"
#include "events.h"

#define OTHER_TENANT "0199bbbb-0000-7000-8000-000000000002"
#define OTHER_EVENT  "0199bbbb-0000-7000-8000-000000000001"

static struct uuid
id_of(const char *text)
{
	struct uuid id;

	assert_int_equal(uuid_parse(slice_of(text), &id), ERR_OK);
	return (id);
}

static struct store_claimed
delivery_of(const char *tenant, const char *event, const char *payload)
{
	return ((struct store_claimed){.type = CHANNEL_SLACK,
	    .tenant = id_of(tenant),
	    .event = id_of(event),
	    .project = id_of(PROJECT_ID),
	    .id = id_of(DELIVERY_ID),
	    .project_slug = "checkout",
	    .payload = slice_of(payload),
	    .occurred_ms = OCCURRED_MS,
	    .accepted_ms = ACCEPTED_MS});
}

/* What is told of ${d}: does it hold ${text}?  Where ${want} is an error, nothing is told. */
static void
tell(struct message_event *last, const struct store_claimed *d, enum err want, const char *text)
{
	const struct message_secrets secrets = {
	    .list = {SLICE_LIT("https://hooks.slack.com/services/a/b/c")}, .nlist = 1};
	struct message m;

	message_init(&m);
	assert_int_equal(message_http(&m, last, d, &secrets, ACCEPTED_MS), want);
	if (want == ERR_OK)
		assert_non_null(memmem(m.body.ptr, m.body.len, text, strlen(text)));
	message_clear(&m);
}

static void
an_event_is_read_once(void **state)
{
	struct store_claimed a = delivery_of(TENANT_ID, EVENT_ID, PAYLOAD_ORDINARY), b = a;
	struct message_event last = {.event = NULL};
	const struct event *read;

	(void)state;
	tell(&last, &a, ERR_OK, "Pool exhausted");
	read = last.event;
	b.payload = slice_of("not looked at");
	tell(&last, &b, ERR_OK, "Pool exhausted");
	assert_ptr_equal(last.event, read);
	message_event_clear(&last);
	assert_null(last.event);
	tell(&last, &b, ERR_DAMAGED, NULL);
	message_event_clear(&last);
}

static void
another_is_another(void **state)
{
	static const char theirs[] =
	    "{\"event\":\"a.b\",\"severity\":\"low\",\"summary\":\"Theirs\"}";
	const struct store_claimed ours = delivery_of(TENANT_ID, EVENT_ID, PAYLOAD_ORDINARY);
	const struct store_claimed others[] = {delivery_of(TENANT_ID, OTHER_EVENT, theirs),
	    delivery_of(OTHER_TENANT, EVENT_ID, theirs),
	    delivery_of(OTHER_TENANT, OTHER_EVENT, theirs)};
	struct message_event last = {.event = NULL};
	size_t i;

	(void)state;
	for (i = 0; i < NELEMS(others); i++) {
		tell(&last, &ours, ERR_OK, "Pool exhausted");
		tell(&last, &others[i], ERR_OK, "Theirs");
	}
	message_event_clear(&last);
}

/* A stored payload that is none fails its own deliveries, each of them, and none beside them. */
static void
a_damaged_one_stays_alone(void **state)
{
	const struct store_claimed good = delivery_of(TENANT_ID, EVENT_ID, PAYLOAD_ORDINARY),
				   bad = delivery_of(TENANT_ID, OTHER_EVENT, "{");
	struct message_event last = {.event = NULL};

	(void)state;
	tell(&last, &good, ERR_OK, "Pool exhausted");
	tell(&last, &bad, ERR_DAMAGED, NULL);
	tell(&last, &bad, ERR_DAMAGED, NULL);
	tell(&last, &good, ERR_OK, "Pool exhausted");
	message_event_clear(&last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_event_is_read_once),
	    cmocka_unit_test(another_is_another),
	    cmocka_unit_test(a_damaged_one_stays_alone),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
