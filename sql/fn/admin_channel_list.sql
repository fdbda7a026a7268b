-- admin.channel_list: channels, active first, newest first.  Nothing of their credentials.
-- p_tenant   whose
-- p_project  only what this project has: its own and the tenant-wide ones; NULL for all of the tenant
-- Returns one row each.
-- Tables: reads channel.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.channel_list(p_tenant uuid, p_project uuid)
RETURNS TABLE ("id" uuid, "type" text, "name" text, "severityThreshold" text, "isActive" boolean,
               "disabledReason" jsonb, "scope" text, "projectId" uuid, "destination" text, "createdAt" text,
               "updatedAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT c.id, c.type::text, c.name::text, sigsentry.severity_word(c.severity_threshold), c.is_active, c.disabled_reason,
	       CASE WHEN c.project_id IS NULL THEN 'tenant' ELSE 'project' END, c.project_id, c.destination,
	       sigsentry.rfc3339(c.created_at), sigsentry.rfc3339(c.updated_at)
	  FROM sigsentry.channel c
	 WHERE c.tenant_id = p_tenant
	   AND (p_project IS NULL OR c.project_id IS NULL OR c.project_id = p_project)
	 ORDER BY c.is_active DESC, c.created_at DESC, c.id DESC;
END
$$;
