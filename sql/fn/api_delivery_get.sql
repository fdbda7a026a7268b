-- api.delivery_get: one delivery of a channel, with every attempt.
-- p_digest, p_project  as sigsentry.key_check
-- p_id        the channel
-- p_delivery  the delivery
-- Returns one row: status of sigsentry.channel_reach, or no_delivery, key_id, tenant_id, project_id, data (a JSON object).
-- Tables: those of sigsentry.channel_reach; queue, delivery, event, attempt.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.delivery_get(
	p_digest bytea, p_project uuid, p_id uuid, p_delivery uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_of uuid; -- the channel's project; NULL: it is tenant-wide
	v_found sigsentry.delivery_all;
	v_event sigsentry.event;
BEGIN
	SELECT r.status, r.key_id, r.tenant_id, r.project_id, (r.channel).project_id
	  INTO status, key_id, tenant_id, project_id, v_of
	  FROM sigsentry.channel_reach(p_digest, p_project, 'config:read', p_id) r;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- One after the other, each by its own id: joined, they would open every partition of the history.
	SELECT d.*
	  INTO v_found
	  FROM sigsentry.delivery_all d
	 WHERE d.tenant_id = delivery_get.tenant_id AND d.id = p_delivery AND d.channel_id = p_id;
	SELECT e.*
	  INTO v_event
	  FROM sigsentry.event e
	 WHERE e.tenant_id = v_found.tenant_id AND e.id = v_found.event_id;
	-- Of a tenant-wide channel a project sees what is its own.
	IF v_found.id IS NULL
	   OR NOT (delivery_get.project_id IS NULL OR v_of IS NOT NULL OR v_found.is_test
	           OR coalesce(v_event.project_id = delivery_get.project_id, false)) THEN
		status := 'no_delivery';
		RETURN;
	END IF;
	SELECT sigsentry.delivery_json(v_found, v_event.name, v_event.severity) || ',"attemptList":['
	       || coalesce(string_agg('{"number":' || a.number || ',"startedAt":"' || sigsentry.rfc3339(a.started_at)
	                              || '","durationMs":' || a.duration_ms || ',"outcome":"' || a.outcome || '"'
	                              || coalesce(',"statusCode":' || a.status_code, '')
	                              || coalesce(',"error":' || to_json(a.error)::text, '')
	                              || coalesce(',"responseExcerpt":' || to_json(a.excerpt)::text, '') || '}',
	                              ',' ORDER BY a.number), '') || ']}'
	  INTO data
	  FROM sigsentry.attempt a
	 WHERE a.tenant_id = v_found.tenant_id AND a.delivery_id = p_delivery;
END
$$;
