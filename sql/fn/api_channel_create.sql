-- api.channel_create: make a channel of a project, with its credentials and its audit row.
-- p_digest       SHA-256 of the presented key
-- p_project      X-Project-Id, NULL where the request has none
-- p_id           id of the new channel, made by the caller; a second call with it answers as the first did
-- p_type, p_name, p_threshold, p_destination  the channel, already judged by contract §3
-- p_fields       names of the credential fields
-- p_sealed       their sealed values, in the same order
-- p_key, p_mac, p_answer, p_location  as sigsentry.idempotency_take; p_key NULL is none
-- Returns one row: status, key_id, tenant_id, project_id, plan, channel_limit (NULL is unlimited), used (the project's own
-- channels as they are now; NULL where the plan has no limit), answer and location (those of the first request; NULL where
-- this was the first).  Status: those of sigsentry.key_check, and replayed (answer, location: nothing was written),
-- key_conflict (nothing was written), quota (nothing was written), conflict (the tenant has that id already, in another
-- place; nothing was written), ok.
-- Raises 53S01: see sigsentry.seal_check.
-- Tables: reads api_key, tenant, plan, retired_key; locks project; writes channel, credential, audit, idempotency.
-- Role: sigsentry_api.
-- enable_seqscan: a session keeps its plans, those of the foreign keys too.  One made while channel was a page long would
-- read all of a table that has since grown, until the next ANALYZE.
CREATE OR REPLACE FUNCTION api.channel_create(
	p_digest bytea, p_project uuid, p_id uuid, p_type text, p_name text, p_threshold smallint,
	p_destination text, p_fields text[], p_sealed bytea[], p_key bytea, p_mac bytea, p_answer text, p_location text,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT plan text,
	OUT channel_limit integer, OUT used integer, OUT answer text, OUT location text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_there boolean;
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id, k.plan, l.channel_limit
	  INTO status, key_id, tenant_id, project_id, plan, channel_limit
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:write', true) k
	  LEFT JOIN sigsentry.plan l ON l.name = k.plan;
	IF status <> 'ok' THEN
		RETURN;
	END IF;

	IF p_key IS NOT NULL THEN
		SELECT i.status, i.answer, i.location
		  INTO status, answer, location
		  FROM sigsentry.idempotency_take(tenant_id, key_id, project_id, p_key, p_mac, p_answer, p_location) i;
		IF status <> 'ok' THEN
			RETURN;
		END IF;
	END IF;

	IF channel_limit IS NOT NULL THEN
		-- The lock and the count are two statements on purpose: under READ COMMITTED the second one's snapshot is
		-- taken when the lock is held, and sees what its last holder committed.  An older snapshot would not.
		IF current_setting('transaction_isolation') <> 'read committed' THEN
			RAISE invalid_transaction_state USING MESSAGE = 'api.channel_create needs READ COMMITTED';
		END IF;
		PERFORM 1
		   FROM sigsentry.project p
		  WHERE p.tenant_id = channel_create.tenant_id AND p.id = channel_create.project_id
		    FOR NO KEY UPDATE;
		IF NOT FOUND THEN       -- deleted since the key was looked at
			status := 'wrong_project';
			PERFORM sigsentry.idempotency_drop(tenant_id, key_id, p_key);
			RETURN;
		END IF;
		SELECT count(*), coalesce(bool_or(c.id = p_id), false)
		  INTO used, v_there
		  FROM sigsentry.channel c
		 WHERE c.tenant_id = channel_create.tenant_id AND c.project_id = channel_create.project_id;
		IF v_there THEN
			RETURN;
		END IF;
		IF used >= channel_limit THEN
			status := 'quota';
			PERFORM sigsentry.idempotency_drop(tenant_id, key_id, p_key);
			RETURN;
		END IF;
	END IF;

	-- One statement, each part fed by the row before: if the channel is there already, nothing is written.
	WITH made AS (
		INSERT INTO sigsentry.channel AS c
		       (tenant_id, id, project_id, type, name, severity_threshold, destination)
		VALUES (channel_create.tenant_id, p_id, channel_create.project_id, p_type, p_name, p_threshold, p_destination)
		    ON CONFLICT ON CONSTRAINT channel_pkey DO NOTHING
		RETURNING c.tenant_id, c.id
	), kept AS (
		INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed)
		SELECT m.tenant_id, m.id, f.field, f.sealed
		  FROM made m, unnest(p_fields, p_sealed) AS f (field, sealed)
	)
	INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, after)
	SELECT sigsentry.uuid_v7(), m.tenant_id, 'key', channel_create.key_id::text, 'channel.create', 'channel', m.id::text,
	       jsonb_build_object('type', p_type, 'name', p_name, 'destination', p_destination,
	                          'severityThreshold', sigsentry.severity_word(p_threshold))
	  FROM made m;
	IF FOUND THEN
		-- What seal_check looks for, in place of the call: a fifth of its time.
		IF EXISTS (SELECT FROM sigsentry.retired_key r
		            WHERE r.id IN (SELECT substring(s.sealed FROM 2 FOR 8) FROM unnest(p_sealed) AS s (sealed))) THEN
			PERFORM sigsentry.seal_check(p_sealed);
		END IF;
		used := used + 1;
		RETURN;
	END IF;

	PERFORM 1
	   FROM sigsentry.channel c
	  WHERE c.tenant_id = channel_create.tenant_id AND c.id = p_id AND c.project_id = channel_create.project_id;
	IF NOT FOUND THEN
		status := 'conflict';
		PERFORM sigsentry.idempotency_drop(tenant_id, key_id, p_key);
	END IF;
END
$$;
