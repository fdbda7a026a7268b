-- api.settings_get: the tenant's settings of notifications.
-- p_digest, p_project  as sigsentry.key_check
-- Returns one row: status of sigsentry.key_check, key_id, tenant_id, project_id, data (a JSON object; NULL but with ok).
-- Tables: those of sigsentry.key_check.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.settings_get(
	p_digest bytea, p_project uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id,
	       CASE WHEN k.status = 'ok' THEN '{"defaultSeverityThreshold":"' || sigsentry.severity_word(t.default_severity) || '"}' END
	  INTO status, key_id, tenant_id, project_id, data
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:read', false) k
	  LEFT JOIN sigsentry.tenant t ON t.id = k.tenant_id;
END
$$;
