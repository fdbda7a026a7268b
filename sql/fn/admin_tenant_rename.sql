-- admin.tenant_rename: give a tenant another name.
-- p_actor   the local user
-- p_tenant  the tenant
-- p_name    1 to 255 characters without controls
-- Returns one row: status, then the tenant as it is now.  Status: ok, bad_name, no_tenant.
-- Tables: writes tenant, audit (nothing if that is its name already).
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.tenant_rename(
	p_actor text, p_tenant uuid, p_name text,
	OUT status text, OUT "id" uuid, OUT "name" text, OUT "plan" text, OUT "createdAt" text, OUT "suspendedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_old text;
BEGIN
	IF NOT sigsentry.name_ok(p_name) THEN
		status := 'bad_name';
		RETURN;
	END IF;
	SELECT t.name INTO v_old FROM sigsentry.tenant t WHERE t.id = p_tenant FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		status := 'no_tenant';
		RETURN;
	END IF;
	IF v_old <> p_name THEN
		UPDATE sigsentry.tenant AS t SET name = p_name WHERE t.id = p_tenant;
		PERFORM sigsentry.audit_by_user(p_actor, p_tenant, 'tenant.rename', p_tenant::text,
		                                jsonb_build_object('name', v_old), jsonb_build_object('name', p_name));
	END IF;
	status := 'ok';
	SELECT t.id, t.name, t.plan, sigsentry.rfc3339(t.created_at), sigsentry.rfc3339(t.suspended_at)
	  INTO "id", "name", "plan", "createdAt", "suspendedAt"
	  FROM sigsentry.tenant t
	 WHERE t.id = p_tenant;
END
$$;
