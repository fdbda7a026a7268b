-- admin.audit_list: the audit trail, newest first.
-- p_tenant  only this tenant's rows; NULL for all, those without a tenant too
-- p_limit   how many at the most; NULL is 100
-- p_since   only from then on; NULL for all
-- Returns one row each.
-- Tables: reads audit.
-- Role: sigsentry_owner.
-- Planned anew each time, so that conditions that are not asked for are none, and those that are find their index.
CREATE OR REPLACE FUNCTION admin.audit_list(p_tenant uuid, p_limit integer, p_since timestamptz)
RETURNS TABLE ("id" uuid, "at" text, "tenantId" uuid, "actorKind" text, "actor" text, "action" text,
               "objectKind" text, "objectId" text, "before" jsonb, "after" jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	SELECT a.id, sigsentry.rfc3339(a.at), a.tenant_id, a.actor_kind::text, a.actor, a.action, a.object_kind, a.object_id,
	       a.before, a.after
	  FROM sigsentry.audit a
	 WHERE (p_tenant IS NULL OR a.tenant_id = p_tenant)
	   AND (p_since IS NULL OR a.at >= p_since)
	 ORDER BY a.id DESC
	 LIMIT greatest(coalesce(p_limit, 100), 0);
END
$$;
