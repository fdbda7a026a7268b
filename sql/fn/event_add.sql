-- sigsentry.event_add: write a good event, and a delivery to every channel that it reaches.
-- p_tenant, p_project  whose it is
-- p_id       its id, version 7
-- p_payload  what sigsentry.event_issues found nothing wrong with
-- p_except   a channel that is not told; NULL is none
-- Returns the number of deliveries.
-- Tables: reads channel; writes event, queue.
-- Role: none; sigsentry.publish and others call it.
CREATE OR REPLACE FUNCTION sigsentry.event_add(
	p_tenant uuid, p_project uuid, p_id uuid, p_payload jsonb, p_except uuid)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_severity smallint := CASE p_payload ->> 'severity' WHEN 'info' THEN 4 ELSE sigsentry.severity_parse(p_payload ->> 'severity') END;
	v_size integer := octet_length(p_payload::text);
	v_count integer;
BEGIN
	INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, size)
	SELECT p_tenant, sigsentry.uuid_v7(), c.id, p_id, v_severity, v_size
	  FROM sigsentry.channel c
	 WHERE c.tenant_id = p_tenant AND (c.project_id = p_project OR c.project_id IS NULL)
	   AND c.is_active AND c.severity_threshold >= v_severity AND c.id IS DISTINCT FROM p_except;
	GET DIAGNOSTICS v_count = ROW_COUNT;
	INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)
	VALUES (p_tenant, p_id, p_project, p_payload ->> 'event', v_severity, p_payload,
	        coalesce((p_payload ->> 'createdAt')::timestamptz, now()), v_count);
	RETURN v_count;
END
$$;
