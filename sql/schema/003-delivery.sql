-- Events, the queue of their deliveries, and what has become of them.
-- An event commits with its deliveries and with whatever else its producer's transaction does.  The queue is one small
-- table of what is not finished; what ends moves to the history, which is partitioned by week (ids are version 7, so that
-- they sort by time), so that retention drops tables and deletes nothing.

-- History -----------------------------------------------------------------------------------------

CREATE TABLE sigsentry.event (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	project_id uuid NOT NULL,
	name text NOT NULL,
	severity smallint NOT NULL,
	payload jsonb NOT NULL,
	occurred_at timestamptz NOT NULL,
	accepted_at timestamptz NOT NULL DEFAULT now(),
	deliveries integer NOT NULL,
	CONSTRAINT event_pkey PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
-- Few: those that should have reached somebody.  For their count, made once a minute.
CREATE INDEX event_unrouted_idx ON sigsentry.event (id) WHERE deliveries = 0 AND severity < 4 AND name NOT LIKE 'channel.%';
COMMENT ON TABLE sigsentry.event IS 'What was to be told.  No foreign keys: a hot project row would be locked by each event.';
COMMENT ON COLUMN sigsentry.event.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.event.id IS 'Version 7: its time says which partition it lies in.';
COMMENT ON COLUMN sigsentry.event.project_id IS 'Its project.';
COMMENT ON COLUMN sigsentry.event.name IS 'What kind of event: analysis.complete.';
COMMENT ON COLUMN sigsentry.event.severity IS '0 critical, 1 high, 2 medium, 3 low, 4 info.';
COMMENT ON COLUMN sigsentry.event.payload IS 'What the producer sent.';
COMMENT ON COLUMN sigsentry.event.occurred_at IS 'When it happened, by the producer (createdAt); else when it was accepted.';
COMMENT ON COLUMN sigsentry.event.accepted_at IS 'When it was accepted.';
COMMENT ON COLUMN sigsentry.event.deliveries IS 'To how many channels it went.';

CREATE TABLE sigsentry.delivery (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	channel_id uuid NOT NULL,
	event_id uuid NOT NULL,
	status text NOT NULL CONSTRAINT delivery_status_check CHECK (status IN ('delivered', 'failed', 'cancelled')),
	is_test boolean NOT NULL,
	attempts integer NOT NULL,
	created_at timestamptz NOT NULL,
	finished_at timestamptz NOT NULL,
	last_status_code integer,
	last_error text,
	progress text,
	CONSTRAINT delivery_pkey PRIMARY KEY (tenant_id, id)
) PARTITION BY RANGE (id);
-- These and queue's do not begin with the tenant: a new or nearly empty table has no statistics that tell the planner how
-- much better its primary key is for one row, and it would read all of a tenant's rows by one of these instead (measured:
-- a claim of 80 took 370 ms).
CREATE INDEX delivery_channel_idx ON sigsentry.delivery (channel_id, id);
CREATE INDEX delivery_event_idx ON sigsentry.delivery (event_id, id);
-- For rates: rows come in the order in which they end, so this costs next to nothing.
CREATE INDEX delivery_finished_idx ON sigsentry.delivery USING brin (finished_at) WITH (pages_per_range = 32, autosummarize = on);
COMMENT ON TABLE sigsentry.delivery IS 'Deliveries that have ended.  Those that have not are in queue, under the same id.';
COMMENT ON COLUMN sigsentry.delivery.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.delivery.id IS 'Version 7; the receiver sees it, and every repeat bears it.';
COMMENT ON COLUMN sigsentry.delivery.channel_id IS 'Where it went.';
COMMENT ON COLUMN sigsentry.delivery.event_id IS 'What was told.';
COMMENT ON COLUMN sigsentry.delivery.status IS 'How it ended: delivered, failed, cancelled.';
COMMENT ON COLUMN sigsentry.delivery.is_test IS 'A test of the channel, marked so in the message.';
COMMENT ON COLUMN sigsentry.delivery.attempts IS 'Attempts that counted.';
COMMENT ON COLUMN sigsentry.delivery.created_at IS 'When it was put into the queue.';
COMMENT ON COLUMN sigsentry.delivery.finished_at IS 'When it ended.';
COMMENT ON COLUMN sigsentry.delivery.last_status_code IS 'HTTP status or SMTP reply of the last attempt; NULL where there was none.';
COMMENT ON COLUMN sigsentry.delivery.last_error IS 'Why the last attempt failed.';
COMMENT ON COLUMN sigsentry.delivery.progress IS 'As queue''s, of e-mail that was not delivered to all: where it goes on when it is sent again.  NULL of all else.';

CREATE TABLE sigsentry.attempt (
	tenant_id uuid NOT NULL,
	delivery_id uuid NOT NULL,
	number integer NOT NULL,
	started_at timestamptz NOT NULL,
	duration_ms integer NOT NULL,
	outcome text NOT NULL CONSTRAINT attempt_outcome_check CHECK (outcome IN ('ok', 'retry', 'refused', 'gone', 'local')),
	status_code integer,
	error text,
	excerpt text,
	CONSTRAINT attempt_pkey PRIMARY KEY (tenant_id, delivery_id, number)
) PARTITION BY RANGE (delivery_id);
COMMENT ON TABLE sigsentry.attempt IS 'Each try of a delivery.';
COMMENT ON COLUMN sigsentry.attempt.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.attempt.delivery_id IS 'The delivery.';
COMMENT ON COLUMN sigsentry.attempt.number IS 'From 1.';
COMMENT ON COLUMN sigsentry.attempt.started_at IS 'When it began.';
COMMENT ON COLUMN sigsentry.attempt.duration_ms IS 'How long it took.';
COMMENT ON COLUMN sigsentry.attempt.outcome IS 'ok, retry, refused, gone, local.';
COMMENT ON COLUMN sigsentry.attempt.status_code IS 'HTTP status or SMTP reply; NULL where none came.';
COMMENT ON COLUMN sigsentry.attempt.error IS 'Why it failed, for people.';
COMMENT ON COLUMN sigsentry.attempt.excerpt IS 'The beginning of the answer, credentials struck out.';

-- The queue ---------------------------------------------------------------------------------------

CREATE TABLE sigsentry.queue (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	channel_id uuid NOT NULL,
	event_id uuid NOT NULL,
	severity smallint NOT NULL,
	is_test boolean NOT NULL DEFAULT false,
	size integer NOT NULL DEFAULT 0,
	wake_at timestamptz DEFAULT '-infinity',
	claim_id uuid,
	tries integer NOT NULL DEFAULT 0,
	attempts integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	progress text,
	last_status_code integer,
	last_error text,
	CONSTRAINT queue_pkey PRIMARY KEY (tenant_id, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- Who must be looked at: the new, those whose pause is over, those whose courier is gone.  The new in the order of their age.
CREATE INDEX queue_wake_idx ON sigsentry.queue (wake_at, id) WHERE wake_at IS NOT NULL;
-- Who may go, in the order in which they go.
CREATE INDEX queue_ready_idx ON sigsentry.queue (channel_id, severity, id) WHERE wake_at IS NULL;
CREATE INDEX queue_channel_idx ON sigsentry.queue (channel_id, id);
CREATE INDEX queue_sending_idx ON sigsentry.queue (channel_id) WHERE claim_id IS NOT NULL;
CREATE INDEX queue_event_idx ON sigsentry.queue (event_id);
COMMENT ON TABLE sigsentry.queue IS 'Deliveries that have not ended.  wake_at is set and claim_id not: it waits until then (-infinity: it is new); neither is set: it is ready; both are set: a courier sends it, and has until wake_at.';
COMMENT ON COLUMN sigsentry.queue.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.queue.id IS 'The delivery''s id.';
COMMENT ON COLUMN sigsentry.queue.channel_id IS 'Where it goes.';
COMMENT ON COLUMN sigsentry.queue.event_id IS 'What is told.';
COMMENT ON COLUMN sigsentry.queue.severity IS 'The event''s: within a channel the gravest goes first.';
COMMENT ON COLUMN sigsentry.queue.is_test IS 'A test of the channel: goes to a switched-off one too, and is never tried again.';
COMMENT ON COLUMN sigsentry.queue.size IS 'Bytes of the event''s payload: a claim takes only so many at once.  0 for a test, whose payload is small.';
COMMENT ON COLUMN sigsentry.queue.wake_at IS 'When it must be looked at again; see the table.';
COMMENT ON COLUMN sigsentry.queue.claim_id IS 'The claim under which a courier sends it; an outcome with another one changes nothing.';
COMMENT ON COLUMN sigsentry.queue.tries IS 'All attempts so far: the number of the last row in attempt.';
COMMENT ON COLUMN sigsentry.queue.attempts IS 'Those that counted: local faults do not.';
COMMENT ON COLUMN sigsentry.queue.created_at IS 'When it was put here, by the clock that its id is made by: a producer''s transaction may have begun long before.';
COMMENT ON COLUMN sigsentry.queue.progress IS 'Of e-mail: which recipients have been served (a) or refused for good (r), as letter, digest and code, with commas between.';
COMMENT ON COLUMN sigsentry.queue.last_status_code IS 'HTTP status or SMTP reply of the last attempt.';
COMMENT ON COLUMN sigsentry.queue.last_error IS 'Why the last attempt failed.';

CREATE TABLE sigsentry.lane (
	tenant_id uuid NOT NULL,
	channel_id uuid NOT NULL,
	due_at timestamptz NOT NULL,
	pause_until timestamptz NOT NULL DEFAULT '-infinity',
	is_failing boolean NOT NULL DEFAULT false,
	failing_since timestamptz,
	last_delivered_at timestamptz,
	is_told boolean NOT NULL DEFAULT false,
	told_failing_at timestamptz,
	told_disabled_at timestamptz,
	CONSTRAINT lane_pkey PRIMARY KEY (tenant_id, channel_id)
) WITH (fillfactor = 50);
CREATE INDEX lane_due_idx ON sigsentry.lane (is_failing, due_at) WHERE due_at < 'infinity';
-- No foreign key: a row that is written twice in a transaction, as a claim does, would have its channel looked up and locked while
-- the lane is held, and a DELETE waits for these two the other way round.  So whoever deletes channels deletes their lanes.
COMMENT ON TABLE sigsentry.lane IS 'How a channel''s deliveries go; written by couriers alone, so that no producer waits for another.';
COMMENT ON COLUMN sigsentry.lane.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.lane.channel_id IS 'The channel.';
COMMENT ON COLUMN sigsentry.lane.due_at IS 'When the next of its ready deliveries may go; infinity where there is none, or where as many as may are under way.';
COMMENT ON COLUMN sigsentry.lane.pause_until IS 'Its platform''s pace, or the wait that it asked for: nothing goes before.';
COMMENT ON COLUMN sigsentry.lane.is_failing IS 'Its last attempt failed, or took long: such channels share half of the flights.';
COMMENT ON COLUMN sigsentry.lane.failing_since IS 'The first failure with no success after it; NULL is none.';
COMMENT ON COLUMN sigsentry.lane.last_delivered_at IS 'The last success.';
COMMENT ON COLUMN sigsentry.lane.is_told IS 'Others have heard that it fails; ends with a success.';
COMMENT ON COLUMN sigsentry.lane.told_failing_at IS 'When the project''s other channels last heard that it fails.';
COMMENT ON COLUMN sigsentry.lane.told_disabled_at IS 'When they last heard that it was switched off.';

CREATE TABLE sigsentry.courier (
	id uuid CONSTRAINT courier_pkey PRIMARY KEY,
	name text NOT NULL,
	version text NOT NULL,
	key_ids text[] NOT NULL,
	started_at timestamptz NOT NULL DEFAULT now(),
	beat_at timestamptz NOT NULL DEFAULT now(),
	lease_s integer NOT NULL,
	flights integer NOT NULL
);
COMMENT ON TABLE sigsentry.courier IS 'Couriers at work.';
COMMENT ON COLUMN sigsentry.courier.id IS 'Made by each at its start.';
COMMENT ON COLUMN sigsentry.courier.name IS 'Host and process, for people.';
COMMENT ON COLUMN sigsentry.courier.version IS 'Its program''s version.';
COMMENT ON COLUMN sigsentry.courier.key_ids IS 'Keys of the keyring that it can open.';
COMMENT ON COLUMN sigsentry.courier.started_at IS 'When it began.';
COMMENT ON COLUMN sigsentry.courier.beat_at IS 'Its last sign of life.';
COMMENT ON COLUMN sigsentry.courier.lease_s IS 'Its lease_s: it beats its heart three times in this time, and one that has not for so long may be gone.';
COMMENT ON COLUMN sigsentry.courier.flights IS 'Deliveries under way in it then.';

-- Counters of /metrics: rows of each courier's own, so that none is hot; those of couriers that are gone are added up under
-- the id of zeroes, so that no sum ever falls.
CREATE TABLE sigsentry.tally_attempt (
	courier_id uuid NOT NULL,
	type text NOT NULL,
	outcome text NOT NULL,
	attempts bigint NOT NULL,
	last_at timestamptz NOT NULL,
	CONSTRAINT tally_attempt_pkey PRIMARY KEY (courier_id, type, outcome)
) WITH (fillfactor = 50);
COMMENT ON TABLE sigsentry.tally_attempt IS 'How many attempts a courier has made.';
COMMENT ON COLUMN sigsentry.tally_attempt.courier_id IS 'The courier; zeroes: all those that are gone.';
COMMENT ON COLUMN sigsentry.tally_attempt.type IS 'Of the channels.';
COMMENT ON COLUMN sigsentry.tally_attempt.outcome IS 'As table attempt''s.';
COMMENT ON COLUMN sigsentry.tally_attempt.attempts IS 'How many.';
COMMENT ON COLUMN sigsentry.tally_attempt.last_at IS 'When the last one was written down: an outcome that is our own fault turns /readyz red for a while.';

CREATE TABLE sigsentry.tally_delivery (
	courier_id uuid NOT NULL,
	le double precision NOT NULL,
	deliveries bigint NOT NULL,
	seconds double precision NOT NULL,
	CONSTRAINT tally_delivery_pkey PRIMARY KEY (courier_id, le)
) WITH (fillfactor = 50);
COMMENT ON TABLE sigsentry.tally_delivery IS 'How long deliveries took, from their acceptance to the destination''s: a histogram.';
COMMENT ON COLUMN sigsentry.tally_delivery.courier_id IS 'The courier; zeroes: all those that are gone.';
COMMENT ON COLUMN sigsentry.tally_delivery.le IS 'Seconds at the most, and more than the le before.';
COMMENT ON COLUMN sigsentry.tally_delivery.deliveries IS 'How many of these.';
COMMENT ON COLUMN sigsentry.tally_delivery.seconds IS 'All of these together.';

-- publish() is given a project alone.
CREATE UNIQUE INDEX project_id_key ON sigsentry.project (id);

-- The partitions of the next 400 days are made by `sigsentryctl migrate`, once the functions are there.

CREATE TABLE sigsentry.gone_channel (
	tenant_id uuid NOT NULL,
	channel_id uuid NOT NULL,
	gone_at timestamptz NOT NULL DEFAULT now(),
	is_empty boolean NOT NULL DEFAULT false,
	CONSTRAINT gone_channel_pkey PRIMARY KEY (tenant_id, channel_id)
);
-- Without it the planner, which is told to read no table as a whole, takes that for so dear that it compiles the query (JIT):
-- 70 ms, each minute, in the session that deliveries wait for.
CREATE INDEX gone_channel_gone_at_idx ON sigsentry.gone_channel (gone_at);
COMMENT ON TABLE sigsentry.gone_channel IS 'Deleted channels whose history is still to be deleted, which couriers do in batches.';
COMMENT ON COLUMN sigsentry.gone_channel.tenant_id IS 'Whose it was.';
COMMENT ON COLUMN sigsentry.gone_channel.channel_id IS 'The channel.';
COMMENT ON COLUMN sigsentry.gone_channel.gone_at IS 'When it was deleted: what was under way then may write history for a while.';
COMMENT ON COLUMN sigsentry.gone_channel.is_empty IS 'Its history is deleted; looked at once more when a day has gone by.';

CREATE VIEW sigsentry.delivery_all AS
	SELECT q.tenant_id, q.id, q.channel_id, q.event_id,
	       CASE WHEN q.claim_id IS NULL THEN 'pending' ELSE 'sending' END AS status, q.is_test, q.attempts, q.created_at,
	       CASE WHEN q.claim_id IS NULL AND q.tries > 0 THEN q.wake_at END AS next_at, NULL::timestamptz AS finished_at,
	       q.last_status_code, q.last_error
	  FROM sigsentry.queue q
	 UNION ALL
	SELECT d.tenant_id, d.id, d.channel_id, d.event_id, d.status, d.is_test, d.attempts, d.created_at, NULL, d.finished_at,
	       d.last_status_code, d.last_error
	  FROM sigsentry.delivery d;
COMMENT ON VIEW sigsentry.delivery_all IS 'Deliveries, ended or not.';

COMMENT ON COLUMN sigsentry.audit.object_kind IS 'What was changed: channel, apikey, project, tenant, plan; a delivery that was sent again.';

CREATE TABLE sigsentry.operator_notice (
	tenant_id uuid NOT NULL,
	event_id uuid NOT NULL,
	taken_at timestamptz,
	CONSTRAINT operator_notice_pkey PRIMARY KEY (tenant_id, event_id)
);
COMMENT ON TABLE sigsentry.operator_notice IS 'Notices (channel.failing, channel.disabled) that operator_mail has not got yet.';
COMMENT ON COLUMN sigsentry.operator_notice.tenant_id IS 'Whose channel it is about.';
COMMENT ON COLUMN sigsentry.operator_notice.event_id IS 'The notice, an event.';
COMMENT ON COLUMN sigsentry.operator_notice.taken_at IS 'When a courier began to send it; five minutes later another one may.';

CREATE TABLE sigsentry.mail_day (
	tenant_id uuid NOT NULL,
	day date NOT NULL,
	sent integer NOT NULL,
	CONSTRAINT mail_day_pkey PRIMARY KEY (tenant_id, day)
);
COMMENT ON TABLE sigsentry.mail_day IS 'How many messages the relay took for a tenant on a day (UTC): mail_daily_cap bounds it.';
COMMENT ON COLUMN sigsentry.mail_day.tenant_id IS 'Whose.';
COMMENT ON COLUMN sigsentry.mail_day.day IS 'The day.';
COMMENT ON COLUMN sigsentry.mail_day.sent IS 'Messages, one a recipient.';
