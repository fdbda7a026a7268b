-- api.event_get: one event, and each of its deliveries.
-- p_digest, p_project  as sigsentry.key_check; X-Project-Id, if sent, narrows it
-- p_id  the event
-- Returns one row: status of sigsentry.key_check, or not_found, key_id, tenant_id, project_id, data (a JSON object).
-- Tables: those of sigsentry.key_check; event, queue, delivery.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.event_get(
	p_digest bytea, p_project uuid, p_id uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_event sigsentry.event;
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id
	  INTO status, key_id, tenant_id, project_id
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:read', false) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	SELECT e.*
	  INTO v_event
	  FROM sigsentry.event e
	 WHERE e.tenant_id = event_get.tenant_id AND e.id = p_id
	   AND (event_get.project_id IS NULL OR e.project_id = event_get.project_id);
	IF NOT FOUND THEN
		status := 'not_found';
		RETURN;
	END IF;
	-- Deliveries are made with their event or later: of the weeks before it no partition is opened.
	SELECT '{"id":"' || v_event.id || '","projectId":"' || v_event.project_id || '","acceptedAt":"' || sigsentry.rfc3339(v_event.accepted_at)
	       || '","event":' || v_event.payload::text || ',"deliveries":['
	       || coalesce(string_agg(sigsentry.delivery_json(d, v_event.name, v_event.severity) || ',"channelId":"' || d.channel_id || '"}', ','
	                              ORDER BY d.id), '') || ']}'
	  INTO data
	  FROM sigsentry.delivery_all d
	 WHERE d.tenant_id = v_event.tenant_id AND d.event_id = v_event.id
	   AND d.id >= sigsentry.uuid_v7_floor(v_event.accepted_at - interval '1 day');
END
$$;
