-- api.event_publish: accept an event and put its deliveries into the queue.
-- p_digest, p_project  as sigsentry.key_check
-- p_id       id of the event, made by the caller; a second call with it answers as the first did
-- p_payload  the body
-- p_key, p_mac  as sigsentry.idempotency_take; p_key NULL is none
-- Returns one row: status, key_id, tenant_id, project_id, answer (the data of the answer, JSON), issues (a JSON array).
-- Status: those of sigsentry.key_check, and invalid (issues), replayed (answer: nothing was written), key_conflict, ok.
-- Tables: those of sigsentry.key_check; writes event, queue, idempotency.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.event_publish(
	p_digest bytea, p_project uuid, p_id uuid, p_payload jsonb, p_key bytea, p_mac bytea,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT answer text, OUT issues text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_head text := '{"id":"' || p_id || '"';
	v_count integer;
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id
	  INTO status, key_id, tenant_id, project_id
	  FROM sigsentry.key_check(p_digest, p_project, false, 'analysis:create', true) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	SELECT json_agg(json_build_object('path', i.path, 'code', i.code, 'message', i.message))
	  INTO issues
	  FROM (SELECT * FROM sigsentry.event_issues(p_payload) LIMIT 1001) i;
	IF issues IS NOT NULL THEN
		status := 'invalid';
		RETURN;
	END IF;
	IF p_key IS NOT NULL THEN
		SELECT i.status, i.answer
		  INTO status, answer
		  FROM sigsentry.idempotency_take(tenant_id, key_id, project_id, p_key, p_mac, v_head, NULL) i;
		IF status <> 'ok' THEN
			RETURN;
		END IF;
	ELSE
		-- Of two calls with one id the second may come while the first, whose answer nobody waits for any more, is still at it.
		PERFORM pg_advisory_xact_lock(hashtextextended(p_id::text, 0));
	END IF;
	SELECT e.deliveries INTO v_count FROM sigsentry.event e WHERE e.tenant_id = event_publish.tenant_id AND e.id = p_id;
	IF NOT FOUND THEN
		v_count := sigsentry.event_add(tenant_id, project_id, p_id, p_payload, NULL);
	END IF;
	answer := v_head || ',"deliveries":' || v_count || '}';
	IF p_key IS NOT NULL THEN
		UPDATE sigsentry.idempotency AS i SET answer = event_publish.answer
		 WHERE i.tenant_id = event_publish.tenant_id AND i.key_id = event_publish.key_id AND i.key_mac = p_key;
	END IF;
END
$$;
