-- admin.tenant_set_plan: move a tenant to another plan.  Channels over the new limit keep working.
-- p_actor   the local user
-- p_tenant  the tenant
-- p_plan    name of the new plan
-- Returns one row: status, then the tenant as it is now.  Status: ok, no_tenant, no_plan.
-- Tables: writes tenant, audit (nothing if it has that plan already).
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.tenant_set_plan(
	p_actor text, p_tenant uuid, p_plan text,
	OUT status text, OUT "id" uuid, OUT "name" text, OUT "plan" text, OUT "createdAt" text, OUT "suspendedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_old text;
BEGIN
	SELECT t.plan INTO v_old FROM sigsentry.tenant t WHERE t.id = p_tenant FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		status := 'no_tenant';
		RETURN;
	END IF;
	PERFORM 1 FROM sigsentry.plan l WHERE l.name = p_plan FOR KEY SHARE;
	IF NOT FOUND THEN
		status := 'no_plan';
		RETURN;
	END IF;
	IF v_old <> p_plan THEN
		UPDATE sigsentry.tenant AS t SET plan = p_plan WHERE t.id = p_tenant;
		PERFORM sigsentry.audit_by_user(p_actor, p_tenant, 'tenant.set_plan', p_tenant::text,
		                                jsonb_build_object('plan', v_old), jsonb_build_object('plan', p_plan));
	END IF;
	status := 'ok';
	SELECT t.id, t.name, t.plan, sigsentry.rfc3339(t.created_at), sigsentry.rfc3339(t.suspended_at)
	  INTO "id", "name", "plan", "createdAt", "suspendedAt"
	  FROM sigsentry.tenant t
	 WHERE t.id = p_tenant;
END
$$;
