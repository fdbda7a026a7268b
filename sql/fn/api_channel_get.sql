-- api.channel_get: one channel, as the API shows it.
-- p_digest, p_project  as sigsentry.key_check
-- p_id  the channel
-- Returns one row: status of sigsentry.key_check, or not_found (there is none that this key reaches: another tenant's is as
-- none), key_id, tenant_id, project_id, data (a JSON object).
-- Tables: those of sigsentry.key_check; channel, lane.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.channel_get(
	p_digest bytea, p_project uuid, p_id uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id
	  INTO status, key_id, tenant_id, project_id
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:read', false) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	SELECT sigsentry.channel_json(c, l)
	  INTO data
	  FROM sigsentry.channel c
	  LEFT JOIN sigsentry.lane l ON l.tenant_id = c.tenant_id AND l.channel_id = c.id
	 WHERE c.tenant_id = channel_get.tenant_id AND c.id = p_id
	   AND (channel_get.project_id IS NULL OR c.project_id IS NULL OR c.project_id = channel_get.project_id);
	IF NOT FOUND THEN
		status := 'not_found';
	END IF;
END
$$;
