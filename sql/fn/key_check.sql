-- sigsentry.key_check: may this key do this to this project?  The order of contract §1 and §2, the first fault answers.
-- p_digest        SHA-256 of the presented key
-- p_project       X-Project-Id, NULL where the request has none
-- p_project_bad   X-Project-Id is there and is no UUID
-- p_permission    what the endpoint needs: config:write
-- p_need_project  the endpoint is about one project; where not, an org key may leave X-Project-Id out
-- Returns always one row: status, key_id, tenant_id and kind (where the key is known), project_id (where it is settled;
-- NULL is all of the tenant's), plan.  Status: unauthorized, key_revoked, key_expired, secret_key_required,
-- tenant_suspended, bad_project, missing_project, wrong_project, forbidden, ok.
-- Tables: reads api_key, tenant, project.
-- Role: none; the functions of schema api call it.  It is neither SECURITY DEFINER nor has a SET, so that the planner
-- inlines it: the caller, who has both, runs it as a part of its own cached plan.
CREATE OR REPLACE FUNCTION sigsentry.key_check(
	p_digest bytea, p_project uuid, p_project_bad boolean, p_permission text, p_need_project boolean)
RETURNS TABLE (status text, key_id uuid, tenant_id uuid, project_id uuid, kind text, plan text)
LANGUAGE sql STABLE ROWS 1
AS $$
	SELECT CASE
	       WHEN k.id IS NULL THEN 'unauthorized'
	       WHEN k.revoked_at IS NOT NULL THEN 'key_revoked'
	       WHEN k.expires_at <= now() THEN 'key_expired'
	       WHEN k.kind = 'pub' THEN 'secret_key_required'
	       WHEN t.suspended_at IS NOT NULL THEN 'tenant_suspended'
	       WHEN p_project_bad THEN 'bad_project'
	       WHEN k.kind = 'org' AND p_project IS NULL AND p_need_project THEN 'missing_project'
	       WHEN k.kind = 'org' AND p_project IS NOT NULL AND p.id IS NULL THEN 'wrong_project'
	       WHEN k.kind = 'secret' AND p_project <> k.project_id THEN 'wrong_project'
	       WHEN p_permission = ANY (k.permissions) THEN 'ok'
	       ELSE 'forbidden'
	       END,
	       k.id, k.tenant_id, coalesce(k.project_id, p.id), k.kind, t.plan
	  FROM (SELECT 1) one
	  LEFT JOIN sigsentry.api_key k ON k.digest = p_digest
	  LEFT JOIN sigsentry.tenant t ON t.id = k.tenant_id
	  LEFT JOIN sigsentry.project p ON k.kind = 'org' AND p.tenant_id = k.tenant_id AND p.id = p_project
$$;
