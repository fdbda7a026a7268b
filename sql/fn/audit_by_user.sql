-- sigsentry.audit_by_user: note what a local user did with sigsentryctl.
-- p_actor   the user's name
-- p_tenant  whose object it is; NULL for plans and for the end of a tenant
-- p_action  object and verb: tenant.create
-- p_object  its id, or a plan's name
-- p_before, p_after  the changed fields, without secrets; NULL for a create's before and a delete's after
-- Returns nothing.
-- Tables: writes audit.
-- Role: none; the functions of schema admin call it.
CREATE OR REPLACE FUNCTION sigsentry.audit_by_user(
	p_actor text, p_tenant uuid, p_action text, p_object text, p_before jsonb, p_after jsonb)
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, before, after)
	VALUES (sigsentry.uuid_v7(), p_tenant, 'user', p_actor, p_action, split_part(p_action, '.', 1), p_object,
	        p_before, p_after)
$$;
