-- The tables of tenants, keys, channels and the audit trail, and the small functions that the others build on.
-- Run by sigsentry_owner, who owns all of it.  Schema sigsentry itself and its table migration are there already
-- (sql/migrate/init.sql).  Tenant id leads every key and index, so that the tables can be distributed by tenant;
-- the indexes that lack it are: plan_pkey, migration_pkey, api_key_pkey and api_key_id_key (a key is found before its
-- tenant is known), audit_pkey (rows of the system have no tenant).

CREATE SCHEMA api;
CREATE SCHEMA admin;
CREATE SCHEMA courier;

COMMENT ON SCHEMA sigsentry IS 'Tables and inner functions; for the owner alone.';
COMMENT ON SCHEMA api IS 'Functions that sigsentry-api may execute.';
COMMENT ON SCHEMA admin IS 'Functions that sigsentryctl calls, as the owner.';
COMMENT ON SCHEMA courier IS 'Functions that sigsentry-courier may execute.';

COMMENT ON TABLE sigsentry.migration IS 'Which files of sql/schema this database has had.';
COMMENT ON COLUMN sigsentry.migration.version IS 'The number that the file name begins with.';
COMMENT ON COLUMN sigsentry.migration.name IS 'The file name without its number.';
COMMENT ON COLUMN sigsentry.migration.sha256 IS 'SHA-256 of the file as it was applied, in hex.';
COMMENT ON COLUMN sigsentry.migration.applied_at IS 'When it was applied.';
COMMENT ON COLUMN sigsentry.migration.program_version IS 'Version of the program that applied it.';

-- Functions ---------------------------------------------------------------------------------------
-- Each is one expression of built-in functions that the planner puts in place of the call: an SQL function that is not
-- inlined is parsed and planned again in every statement that calls it.

CREATE FUNCTION sigsentry.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
	SELECT (overlay(lpad(to_hex((date_part('epoch', clock_timestamp()) * 4096000)::bigint), 15, '0')
	                placing '7' from 13 for 0)
	        || substr(gen_random_uuid()::text, 20))::uuid
$$;
COMMENT ON FUNCTION sigsentry.uuid_v7() IS
	'A version 7 UUID (RFC 9562 5.7): 48 bits of milliseconds, 12 bits of their fraction (6.2 method 3), 62 random bits.';

CREATE FUNCTION sigsentry.rfc3339(p_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
	SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
COMMENT ON FUNCTION sigsentry.rfc3339(timestamptz) IS
	'A time as the API writes it: RFC 3339, UTC, milliseconds, Z.  The same text in every session; marked STABLE only because to_char is, and an IMMUTABLE one would not be inlined.';

CREATE FUNCTION sigsentry.severity_word(p_severity smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE p_severity WHEN 0 THEN 'critical' WHEN 1 THEN 'high' WHEN 2 THEN 'medium' WHEN 3 THEN 'low' END
$$;
COMMENT ON FUNCTION sigsentry.severity_word(smallint) IS 'The word of a threshold 0..3; NULL for any other number.';

CREATE FUNCTION sigsentry.severity_parse(p_word text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT CASE p_word WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 WHEN 'low' THEN 3 END::smallint
$$;
COMMENT ON FUNCTION sigsentry.severity_parse(text) IS 'The number of a threshold''s word; NULL for any other word.';

CREATE FUNCTION sigsentry.name_ok(p_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
	SELECT coalesce(char_length(p_name) BETWEEN 1 AND 255 AND p_name !~ '[\u0001-\u001F\u007F-\u009F]', false)
$$;
COMMENT ON FUNCTION sigsentry.name_ok(text) IS 'Is it a name: 1 to 255 code points, no C0, DEL or C1 controls?';

-- Domains -----------------------------------------------------------------------------------------
-- What a CHECK of a table would say, too; but a session keeps a domain's check, while it reads a table's anew from its
-- text for every INSERT: a tenth of the time of a create.

CREATE DOMAIN sigsentry.display_name AS text CONSTRAINT display_name_check CHECK (char_length(value) BETWEEN 1 AND 255);
COMMENT ON DOMAIN sigsentry.display_name IS 'For people, 1 to 255 code points.';

CREATE DOMAIN sigsentry.channel_type AS text CONSTRAINT channel_type_check
	CHECK (value IN ('slack', 'teams', 'discord', 'google_chat', 'webhook', 'email'));
COMMENT ON DOMAIN sigsentry.channel_type IS 'Where a channel leads.';

CREATE DOMAIN sigsentry.threshold AS smallint CONSTRAINT threshold_check CHECK (value BETWEEN 0 AND 3);
COMMENT ON DOMAIN sigsentry.threshold IS 'The lowest severity that is told: 0 critical, 1 high, 2 medium, 3 low.';

CREATE DOMAIN sigsentry.actor_kind AS text CONSTRAINT actor_kind_check CHECK (value IN ('key', 'user', 'system'));
COMMENT ON DOMAIN sigsentry.actor_kind IS 'Who changes things: an API key, a local user, the service itself.';

-- Plans -------------------------------------------------------------------------------------------

CREATE TABLE sigsentry.plan (
	name text CONSTRAINT plan_pkey PRIMARY KEY CONSTRAINT plan_name_check CHECK (char_length(name) BETWEEN 1 AND 255),
	channel_limit integer CONSTRAINT plan_channel_limit_check CHECK (channel_limit >= 0),
	reads_per_minute integer CONSTRAINT plan_reads_per_minute_check CHECK (reads_per_minute >= 1),
	writes_per_minute integer CONSTRAINT plan_writes_per_minute_check CHECK (writes_per_minute >= 1)
);
COMMENT ON TABLE sigsentry.plan IS 'What a tenant has bought.  Rows, so that an admin can change a limit without a release.';
COMMENT ON COLUMN sigsentry.plan.name IS 'As shown in errors: starter.';
COMMENT ON COLUMN sigsentry.plan.channel_limit IS 'A project''s own channels at the most; NULL is unlimited.';
COMMENT ON COLUMN sigsentry.plan.reads_per_minute IS 'Reading requests per key and clock minute; NULL is unlimited.';
COMMENT ON COLUMN sigsentry.plan.writes_per_minute IS 'Writing requests per key and clock minute; NULL is unlimited.';

INSERT INTO sigsentry.plan (name, channel_limit, reads_per_minute, writes_per_minute) VALUES
	('starter', 2, 120, 60),
	('pro', 10, 600, 300),
	('business', NULL, 6000, 3000),
	('enterprise', NULL, 60000, 30000);

-- Tenants, projects, keys -------------------------------------------------------------------------

CREATE TABLE sigsentry.tenant (
	id uuid CONSTRAINT tenant_pkey PRIMARY KEY,
	name sigsentry.display_name NOT NULL,
	plan text NOT NULL CONSTRAINT tenant_plan_fkey REFERENCES sigsentry.plan (name),
	default_severity sigsentry.threshold NOT NULL DEFAULT 1,
	suspended_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sigsentry.tenant IS 'Organizations.  All that is a tenant''s goes with its row (admin.tenant_delete takes its audit rows too).';
COMMENT ON COLUMN sigsentry.tenant.id IS 'The tenant id of every other table.';
COMMENT ON COLUMN sigsentry.tenant.name IS 'For people, 1 to 255 characters.';
COMMENT ON COLUMN sigsentry.tenant.plan IS 'Its plan.';
COMMENT ON COLUMN sigsentry.tenant.default_severity IS 'Threshold offered for new channels: 0 critical, 1 high, 2 medium, 3 low.';
COMMENT ON COLUMN sigsentry.tenant.suspended_at IS 'Since when its keys answer 403; NULL is not suspended.';
COMMENT ON COLUMN sigsentry.tenant.created_at IS 'When it was made.';

CREATE TABLE sigsentry.project (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	name sigsentry.display_name NOT NULL,
	slug text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT project_pkey PRIMARY KEY (tenant_id, id),
	CONSTRAINT project_slug_key UNIQUE (tenant_id, slug),
	CONSTRAINT project_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES sigsentry.tenant (id) ON DELETE CASCADE,
	CONSTRAINT project_slug_check CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);
COMMENT ON TABLE sigsentry.project IS 'Projects of tenants.  The row is also the lock under which a project''s channels are counted.';
COMMENT ON COLUMN sigsentry.project.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.project.id IS 'What X-Project-Id names, together with the key''s tenant.';
COMMENT ON COLUMN sigsentry.project.name IS 'For people, 1 to 255 characters.';
COMMENT ON COLUMN sigsentry.project.slug IS 'Short name in payloads, once in a tenant: 1 to 63 of a-z, 0-9 and inner hyphens.';
COMMENT ON COLUMN sigsentry.project.created_at IS 'When it was made.';

CREATE TABLE sigsentry.api_key (
	digest bytea CONSTRAINT api_key_pkey PRIMARY KEY,
	id uuid NOT NULL CONSTRAINT api_key_id_key UNIQUE,
	tenant_id uuid NOT NULL,
	project_id uuid,
	kind text NOT NULL,
	permissions text[] NOT NULL,
	name sigsentry.display_name NOT NULL,
	display_prefix text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz,
	revoked_at timestamptz,
	CONSTRAINT api_key_project_fkey FOREIGN KEY (tenant_id, project_id)
		REFERENCES sigsentry.project (tenant_id, id) ON DELETE CASCADE,
	CONSTRAINT api_key_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES sigsentry.tenant (id) ON DELETE CASCADE,
	CONSTRAINT api_key_digest_check CHECK (octet_length(digest) = 32),
	CONSTRAINT api_key_kind_check CHECK (kind IN ('pub', 'secret', 'org')),
	CONSTRAINT api_key_project_check CHECK ((kind = 'org') = (project_id IS NULL)),
	CONSTRAINT api_key_permissions_check CHECK (
		cardinality(permissions) >= 1
		AND permissions <@ ARRAY['analysis:create', 'analysis:read', 'config:read', 'config:write']),
	CONSTRAINT api_key_pub_check CHECK (kind <> 'pub' OR permissions <@ ARRAY['analysis:create', 'analysis:read'])
);
-- Serves the lists and the cascades of both foreign keys.
CREATE INDEX api_key_project_idx ON sigsentry.api_key (tenant_id, project_id, id);
COMMENT ON TABLE sigsentry.api_key IS 'API keys.  The key itself is nowhere: only its digest, and as much of it as may be shown.';
COMMENT ON COLUMN sigsentry.api_key.digest IS 'SHA-256 of the whole key.';
COMMENT ON COLUMN sigsentry.api_key.id IS 'Its name in logs, lists and the audit trail.';
COMMENT ON COLUMN sigsentry.api_key.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.api_key.project_id IS 'The one project of a pub or secret key; NULL for an org key.';
COMMENT ON COLUMN sigsentry.api_key.kind IS 'pub, secret or org: the word in the key''s prefix.';
COMMENT ON COLUMN sigsentry.api_key.permissions IS 'At least one of analysis:create, analysis:read, config:read, config:write; a pub key has only analysis ones.';
COMMENT ON COLUMN sigsentry.api_key.name IS 'For people, 1 to 255 characters.';
COMMENT ON COLUMN sigsentry.api_key.display_prefix IS 'The first characters of the key, for telling keys apart.';
COMMENT ON COLUMN sigsentry.api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN sigsentry.api_key.expires_at IS 'From then on it is refused; NULL is never.';
COMMENT ON COLUMN sigsentry.api_key.revoked_at IS 'Since when it is refused for good; NULL is not revoked.';

-- Channels ----------------------------------------------------------------------------------------

CREATE TABLE sigsentry.channel (
	tenant_id uuid NOT NULL,
	id uuid NOT NULL,
	project_id uuid,
	type sigsentry.channel_type NOT NULL,
	name sigsentry.display_name NOT NULL,
	severity_threshold sigsentry.threshold NOT NULL,
	is_active boolean NOT NULL DEFAULT true,
	disabled_reason jsonb,
	destination text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT channel_pkey PRIMARY KEY (tenant_id, id),
	-- The project's first: in this order they are checked and locked, and everybody locks project before tenant.
	CONSTRAINT channel_project_fkey FOREIGN KEY (tenant_id, project_id)
		REFERENCES sigsentry.project (tenant_id, id) ON DELETE CASCADE,
	CONSTRAINT channel_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES sigsentry.tenant (id) ON DELETE CASCADE
) WITH (fillfactor = 90);
-- No column of it changes in an update, so that updates stay HOT: room is left in the pages, is_active stays out.
CREATE INDEX channel_project_idx ON sigsentry.channel (tenant_id, project_id, id);
COMMENT ON TABLE sigsentry.channel IS 'Destinations of notifications.  What is secret about them is in credential.';
COMMENT ON COLUMN sigsentry.channel.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.channel.id IS 'Made by the worker before it seals: it is bound into every sealed value.';
COMMENT ON COLUMN sigsentry.channel.project_id IS 'Its project; NULL is tenant-wide.';
COMMENT ON COLUMN sigsentry.channel.type IS 'slack, teams, discord, google_chat, webhook or email; never changes.';
COMMENT ON COLUMN sigsentry.channel.name IS 'For people, 1 to 255 characters.';
COMMENT ON COLUMN sigsentry.channel.severity_threshold IS 'The lowest severity it is told: 0 critical, 1 high, 2 medium, 3 low.';
COMMENT ON COLUMN sigsentry.channel.is_active IS 'Does it get deliveries?';
COMMENT ON COLUMN sigsentry.channel.disabled_reason IS 'Why the service switched it off: {"code","message","at"}; NULL if it did not.';
COMMENT ON COLUMN sigsentry.channel.destination IS 'A hint that reveals no secret: hooks.slack.com, 3 recipients.';
COMMENT ON COLUMN sigsentry.channel.created_at IS 'When it was made.';
COMMENT ON COLUMN sigsentry.channel.updated_at IS 'When it, or its credentials, last changed.';

CREATE TABLE sigsentry.credential (
	tenant_id uuid NOT NULL,
	channel_id uuid NOT NULL,
	field text NOT NULL,
	sealed bytea NOT NULL,
	previous_sealed bytea,
	previous_until timestamptz,
	CONSTRAINT credential_pkey PRIMARY KEY (tenant_id, channel_id, field),
	CONSTRAINT credential_channel_fkey FOREIGN KEY (tenant_id, channel_id)
		REFERENCES sigsentry.channel (tenant_id, id) ON DELETE CASCADE,
	CONSTRAINT credential_previous_check CHECK ((previous_sealed IS NULL) = (previous_until IS NULL))
);
-- Sealed bytes do not compress; do not try.
ALTER TABLE sigsentry.credential
	ALTER COLUMN sealed SET STORAGE EXTERNAL,
	ALTER COLUMN previous_sealed SET STORAGE EXTERNAL;
COMMENT ON TABLE sigsentry.credential IS 'The credential fields of channels, each sealed on its own.  Only a courier can open them.';
COMMENT ON COLUMN sigsentry.credential.tenant_id IS 'Whose it is.';
COMMENT ON COLUMN sigsentry.credential.channel_id IS 'The channel it belongs to, bound into the seal.';
COMMENT ON COLUMN sigsentry.credential.field IS 'Name of the field as in the API (webhookUrl), bound into the seal.';
COMMENT ON COLUMN sigsentry.credential.sealed IS 'The sealed value.';
COMMENT ON COLUMN sigsentry.credential.previous_sealed IS 'The value before the last rotation, while both hold; NULL otherwise.';
COMMENT ON COLUMN sigsentry.credential.previous_until IS 'When previous_sealed stops to hold.';

-- Audit -------------------------------------------------------------------------------------------

CREATE TABLE sigsentry.audit (
	id uuid CONSTRAINT audit_pkey PRIMARY KEY,
	tenant_id uuid,
	at timestamptz NOT NULL DEFAULT now(),
	actor_kind sigsentry.actor_kind NOT NULL,
	actor text NOT NULL,
	action text NOT NULL,
	object_kind text NOT NULL,
	object_id text NOT NULL,
	before jsonb,
	after jsonb
);
CREATE INDEX audit_tenant_idx ON sigsentry.audit (tenant_id, id);
COMMENT ON TABLE sigsentry.audit IS 'Who changed what: written in the transaction of the change.  No secrets, sealed or not.';
COMMENT ON COLUMN sigsentry.audit.id IS 'Version 7, so that order by id is order in time.';
COMMENT ON COLUMN sigsentry.audit.tenant_id IS 'Whose object it was; NULL for plans and for the end of a tenant.  No foreign key: a hot tenant row would be locked by each change once more.';
COMMENT ON COLUMN sigsentry.audit.at IS 'When.';
COMMENT ON COLUMN sigsentry.audit.actor_kind IS 'key: an API key; user: who called sigsentryctl; system: the service itself.';
COMMENT ON COLUMN sigsentry.audit.actor IS 'The key''s id, or the local user''s name.';
COMMENT ON COLUMN sigsentry.audit.action IS 'Object and verb: channel.create.';
COMMENT ON COLUMN sigsentry.audit.object_kind IS 'What was changed: channel, apikey, project, tenant, plan.';
COMMENT ON COLUMN sigsentry.audit.object_id IS 'Its id, or a plan''s name.';
COMMENT ON COLUMN sigsentry.audit.before IS 'The changed fields as they were; NULL for a create.';
COMMENT ON COLUMN sigsentry.audit.after IS 'The changed fields as they are; NULL for a delete.';
