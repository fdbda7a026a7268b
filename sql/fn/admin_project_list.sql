-- admin.project_list: projects, oldest first.
-- p_tenant  only this tenant's; NULL for all
-- Returns one row each.
-- Tables: reads project.
-- Role: sigsentry_owner.
-- Planned anew each time, so that conditions that are not asked for are none, and those that are find their index.
CREATE OR REPLACE FUNCTION admin.project_list(p_tenant uuid)
RETURNS TABLE ("id" uuid, "tenantId" uuid, "name" text, "slug" text, "createdAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	SELECT p.id, p.tenant_id, p.name::text, p.slug, sigsentry.rfc3339(p.created_at)
	  FROM sigsentry.project p
	 WHERE p_tenant IS NULL OR p.tenant_id = p_tenant
	 ORDER BY p.id;
END
$$;
