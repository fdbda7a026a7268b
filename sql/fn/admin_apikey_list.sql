-- admin.apikey_list: API keys, oldest first, revoked and expired ones too.
-- p_tenant   only this tenant's; NULL for all
-- p_project  only the keys of this project (org keys are of none); NULL for all
-- Returns one row each.
-- Tables: reads api_key.
-- Role: sigsentry_owner.
-- Planned anew each time, so that conditions that are not asked for are none, and those that are find their index.
CREATE OR REPLACE FUNCTION admin.apikey_list(p_tenant uuid, p_project uuid)
RETURNS TABLE ("id" uuid, "tenantId" uuid, "projectId" uuid, "kind" text, "name" text, "displayPrefix" text,
               "permissions" jsonb, "createdAt" text, "expiresAt" text, "revokedAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	SELECT k.id, k.tenant_id, k.project_id, k.kind, k.name::text, k.display_prefix, to_jsonb(k.permissions),
	       sigsentry.rfc3339(k.created_at), sigsentry.rfc3339(k.expires_at), sigsentry.rfc3339(k.revoked_at)
	  FROM sigsentry.api_key k
	 WHERE (p_tenant IS NULL OR k.tenant_id = p_tenant)
	   AND (p_project IS NULL OR k.project_id = p_project)
	 ORDER BY k.id;
END
$$;
