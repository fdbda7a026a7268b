-- api.admit: the key's answer for a request whose body is refused, so that a bad key learns nothing about the body.
-- p_digest, p_project, p_project_bad, p_permission: as sigsentry.key_check
-- Returns one row: status of sigsentry.key_check, key_id, tenant_id, project_id.
-- Tables: those of sigsentry.key_check.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.admit(
	p_digest bytea, p_project uuid, p_project_bad boolean, p_permission text,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id
	  INTO status, key_id, tenant_id, project_id
	  FROM sigsentry.key_check(p_digest, p_project, p_project_bad, p_permission) k;
END
$$;
