-- sigsentry.idempotency_take: is this request the first with its Idempotency-Key (contract §4)?
-- p_tenant, p_key_id  the API key
-- p_project   the project that the request is for
-- p_key       HMAC-SHA256 of the Idempotency-Key, keyed with the API key
-- p_mac       HMAC-SHA256 of route and body, keyed with the API key
-- p_answer, p_location  what it will be answered with, if it is the first; of the answer at least
--             the beginning, with its id
-- Returns one row: status, answer, location (both NULL but with replayed).  Status: ok (it is the first, or the first once
-- more after a lost answer; this is noted, and holds if the transaction commits), replayed (answer and location are those of
-- the first), key_conflict (the first one was for another project, route or body).  Waits for a transaction that has just
-- noted the same key.
-- Tables: writes idempotency.
-- Role: none; the functions of schema api call it.
CREATE OR REPLACE FUNCTION sigsentry.idempotency_take(
	p_tenant uuid, p_key_id uuid, p_project uuid, p_key bytea, p_mac bytea, p_answer text, p_location text,
	OUT status text, OUT answer text, OUT location text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_same boolean;
	v_answer text;
	v_location text;
BEGIN
	-- One that is older than a day counts no more, and is written over.
	INSERT INTO sigsentry.idempotency AS i (tenant_id, key_id, key_mac, project_id, request_mac, answer, location)
	VALUES (p_tenant, p_key_id, p_key, p_project, p_mac, p_answer, p_location)
	    ON CONFLICT ON CONSTRAINT idempotency_pkey DO UPDATE
	   SET project_id = excluded.project_id, request_mac = excluded.request_mac, answer = excluded.answer,
	       location = excluded.location, created_at = now()
	 WHERE i.created_at <= now() - interval '24 hours';
	status := 'ok';
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT i.project_id = p_project AND i.request_mac = p_mac, i.answer, i.location
	  INTO v_same, v_answer, v_location
	  FROM sigsentry.idempotency i
	 WHERE i.tenant_id = p_tenant AND i.key_id = p_key_id AND i.key_mac = p_key;
	IF NOT v_same THEN
		status := 'key_conflict';
	ELSIF NOT starts_with(v_answer, p_answer) THEN
		status := 'replayed';
		answer := v_answer;
		location := v_location;
	END IF;
END
$$;
