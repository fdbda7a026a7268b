-- What the rest of the management API needs: remembered answers, rate limits, counts for the metrics.

-- Functions of schema api whose parameters or columns have changed; no released program calls the old ones.
DROP FUNCTION IF EXISTS api.admit(bytea, uuid, boolean, text);
DROP FUNCTION IF EXISTS api.channel_create(bytea, uuid, uuid, text, text, smallint, text, text[], bytea[]);
DROP FUNCTION IF EXISTS api.schema_version();
DROP FUNCTION IF EXISTS sigsentry.key_check(bytea, uuid, boolean, text);

-- Rotated secrets -----------------------------------------------------------------------------------
-- Finds those whose overlap has ended; nearly always empty.
CREATE INDEX credential_previous_idx ON sigsentry.credential (previous_until) WHERE previous_until IS NOT NULL;

-- Idempotency ---------------------------------------------------------------------------------------

CREATE TABLE sigsentry.idempotency (
	tenant_id uuid NOT NULL,
	key_id uuid NOT NULL,
	key_mac bytea NOT NULL CONSTRAINT idempotency_key_mac_check CHECK (octet_length(key_mac) = 32),
	project_id uuid NOT NULL,
	request_mac bytea NOT NULL CONSTRAINT idempotency_request_mac_check CHECK (octet_length(request_mac) = 32),
	answer text NOT NULL,
	location text,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT idempotency_pkey PRIMARY KEY (tenant_id, key_id, key_mac)
);
-- For the deletion of what is older than a day, in batches: the key must be unique, so there are no partitions to drop.
CREATE INDEX idempotency_created_idx ON sigsentry.idempotency (created_at);
COMMENT ON TABLE sigsentry.idempotency IS 'Answers that wrote something, by Idempotency-Key, for 24 hours.  No foreign keys: they would lock hot rows; admin.tenant_delete and age take the rows.';
COMMENT ON COLUMN sigsentry.idempotency.tenant_id IS 'Whose API key it was.';
COMMENT ON COLUMN sigsentry.idempotency.key_id IS 'The API key: an Idempotency-Key is private to it.';
COMMENT ON COLUMN sigsentry.idempotency.key_mac IS 'HMAC-SHA256 of the Idempotency-Key, keyed with the API key itself, which is nowhere in this database: so it tells nothing about what was sent.';
COMMENT ON COLUMN sigsentry.idempotency.project_id IS 'The project that the first request was for; the same key for another one is a conflict.';
COMMENT ON COLUMN sigsentry.idempotency.request_mac IS 'HMAC-SHA256 of route and body, keyed in the same way.';
COMMENT ON COLUMN sigsentry.idempotency.answer IS 'The data of the first answer, byte for byte.';
COMMENT ON COLUMN sigsentry.idempotency.location IS 'The path in its Location header; NULL where it had none.';
COMMENT ON COLUMN sigsentry.idempotency.created_at IS 'When; a day later it counts no more.';

-- Rate limits ---------------------------------------------------------------------------------------
-- Unlogged: taking permits must not wait for a flush.  After a crash or on a new primary the minute starts again.

CREATE UNLOGGED TABLE sigsentry.permit (
	tenant_id uuid NOT NULL,
	key_id uuid NOT NULL,
	kind text NOT NULL CONSTRAINT permit_kind_check CHECK (kind IN ('read', 'write')),
	minute timestamptz NOT NULL,
	taken integer NOT NULL,
	granted integer NOT NULL,
	CONSTRAINT permit_pkey PRIMARY KEY (tenant_id, key_id, kind)
) WITH (fillfactor = 50);
COMMENT ON TABLE sigsentry.permit IS 'How many requests of the running minute each API key has taken permits for.';
COMMENT ON COLUMN sigsentry.permit.tenant_id IS 'Whose key it is.';
COMMENT ON COLUMN sigsentry.permit.key_id IS 'The API key.';
COMMENT ON COLUMN sigsentry.permit.kind IS 'read or write: each has a limit of its own.';
COMMENT ON COLUMN sigsentry.permit.minute IS 'The clock minute (UTC) that is counted.';
COMMENT ON COLUMN sigsentry.permit.taken IS 'Permits handed out in it.';
COMMENT ON COLUMN sigsentry.permit.granted IS 'How many of them the last taker got.';

-- Metrics -------------------------------------------------------------------------------------------

CREATE TABLE sigsentry.gauge (
	name text NOT NULL,
	label text NOT NULL,
	value double precision NOT NULL,
	CONSTRAINT gauge_pkey PRIMARY KEY (name, label)
);
COMMENT ON TABLE sigsentry.gauge IS 'Counts that need a scan, made once a minute, so that a scrape costs nothing.';
COMMENT ON COLUMN sigsentry.gauge.name IS 'Name of the metric: sigsentry_channels.';
COMMENT ON COLUMN sigsentry.gauge.label IS 'Its labels as Prometheus writes them, without braces: type="slack".';
COMMENT ON COLUMN sigsentry.gauge.value IS 'The count.';
