-- admin.tenant_resume: end a suspension.
-- p_actor   the local user
-- p_tenant  the tenant
-- Returns one row: status, then the tenant as it is now.  Status: ok, no_tenant.
-- Tables: writes tenant, audit (nothing if it is so already).
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.tenant_resume(
	p_actor text, p_tenant uuid,
	OUT status text, OUT "id" uuid, OUT "name" text, OUT "plan" text, OUT "createdAt" text, OUT "suspendedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_old timestamptz;
	v_new timestamptz;
BEGIN
	SELECT t.suspended_at INTO v_old FROM sigsentry.tenant t WHERE t.id = p_tenant FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		status := 'no_tenant';
		RETURN;
	END IF;
	IF v_old IS NOT NULL THEN
		UPDATE sigsentry.tenant AS t SET suspended_at = NULL WHERE t.id = p_tenant RETURNING t.suspended_at INTO v_new;
		PERFORM sigsentry.audit_by_user(p_actor, p_tenant, 'tenant.resume', p_tenant::text,
		                                jsonb_build_object('suspendedAt', sigsentry.rfc3339(v_old)),
		                                jsonb_build_object('suspendedAt', sigsentry.rfc3339(v_new)));
	END IF;
	status := 'ok';
	SELECT t.id, t.name, t.plan, sigsentry.rfc3339(t.created_at), sigsentry.rfc3339(t.suspended_at)
	  INTO "id", "name", "plan", "createdAt", "suspendedAt"
	  FROM sigsentry.tenant t
	 WHERE t.id = p_tenant;
END
$$;
