-- sigsentry.project_channels: what a project has: its own channels and the tenant-wide ones.
-- p_tenant, p_project  the project
-- Returns the rows.
-- Tables: reads channel.
-- Role: none; the functions of schema api call it.  The planner inlines it; two parts, so that each reads its part of the
-- index and nothing else of the tenant's, whatever the size of the table was when a session made its plan.
CREATE OR REPLACE FUNCTION sigsentry.project_channels(p_tenant uuid, p_project uuid) RETURNS SETOF sigsentry.channel
LANGUAGE sql STABLE
AS $$
	SELECT c.* FROM sigsentry.channel c WHERE c.tenant_id = p_tenant AND c.project_id = p_project
	 UNION ALL
	SELECT c.* FROM sigsentry.channel c WHERE c.tenant_id = p_tenant AND c.project_id IS NULL
$$;
