-- admin.tenant_list: every tenant, oldest first.
-- Returns one row each.
-- Tables: reads tenant.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.tenant_list()
RETURNS TABLE ("id" uuid, "name" text, "plan" text, "createdAt" text, "suspendedAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT t.id, t.name::text, t.plan, sigsentry.rfc3339(t.created_at), sigsentry.rfc3339(t.suspended_at)
	  FROM sigsentry.tenant t
	 ORDER BY t.id;
END
$$;
