-- admin.tenant_create: make a tenant.
-- p_actor  the local user
-- p_name   1 to 255 characters without controls
-- p_plan   name of its plan
-- Returns one row: status, then the tenant.  Status: ok, bad_name, no_plan.
-- Tables: writes tenant, audit.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.tenant_create(
	p_actor text, p_name text, p_plan text,
	OUT status text, OUT "id" uuid, OUT "name" text, OUT "plan" text, OUT "createdAt" text, OUT "suspendedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT sigsentry.name_ok(p_name) THEN
		status := 'bad_name';
		RETURN;
	END IF;
	PERFORM 1 FROM sigsentry.plan l WHERE l.name = p_plan FOR KEY SHARE;
	IF NOT FOUND THEN
		status := 'no_plan';
		RETURN;
	END IF;
	status := 'ok';
	INSERT INTO sigsentry.tenant AS t (id, name, plan)
	VALUES (sigsentry.uuid_v7(), p_name, p_plan)
	RETURNING t.id, t.name, t.plan, sigsentry.rfc3339(t.created_at), sigsentry.rfc3339(t.suspended_at)
	     INTO "id", "name", "plan", "createdAt", "suspendedAt";
	PERFORM sigsentry.audit_by_user(p_actor, "id", 'tenant.create', "id"::text, NULL,
	                                jsonb_build_object('name', p_name, 'plan', p_plan));
END
$$;
