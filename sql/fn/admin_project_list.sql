-- admin.project_list: projects, oldest first.
-- p_tenant  only this tenant's; NULL for all
-- Returns one row each.
-- Tables: reads project.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.project_list(p_tenant uuid)
RETURNS TABLE ("id" uuid, "tenantId" uuid, "name" text, "slug" text, "createdAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT p.id, p.tenant_id, p.name::text, p.slug, sigsentry.rfc3339(p.created_at)
	  FROM sigsentry.project p
	 WHERE p_tenant IS NULL OR p.tenant_id = p_tenant
	 ORDER BY p.id;
END
$$;
