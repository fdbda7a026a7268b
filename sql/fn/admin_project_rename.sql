-- admin.project_rename: give a project another name; its slug stays.
-- p_actor    the local user
-- p_tenant   its tenant; NULL: whosever it is
-- p_project  the project
-- p_name     1 to 255 characters without controls
-- Returns one row: status, then the project as it is now.  Status: ok, bad_name, no_project.
-- Tables: writes project, audit (nothing if that is its name already).
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.project_rename(
	p_actor text, p_tenant uuid, p_project uuid, p_name text,
	OUT status text, OUT "id" uuid, OUT "tenantId" uuid, OUT "name" text, OUT "slug" text, OUT "createdAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_tenant uuid;
	v_old text;
BEGIN
	IF NOT sigsentry.name_ok(p_name) THEN
		status := 'bad_name';
		RETURN;
	END IF;
	SELECT p.tenant_id, p.name INTO v_tenant, v_old
	  FROM sigsentry.project p
	 WHERE (p_tenant IS NULL OR p.tenant_id = p_tenant) AND p.id = p_project
	   FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		status := 'no_project';
		RETURN;
	END IF;
	IF v_old <> p_name THEN
		UPDATE sigsentry.project AS p SET name = p_name WHERE p.tenant_id = v_tenant AND p.id = p_project;
		PERFORM sigsentry.audit_by_user(p_actor, v_tenant, 'project.rename', p_project::text,
		                                jsonb_build_object('name', v_old), jsonb_build_object('name', p_name));
	END IF;
	status := 'ok';
	SELECT p.id, p.tenant_id, p.name, p.slug, sigsentry.rfc3339(p.created_at)
	  INTO "id", "tenantId", "name", "slug", "createdAt"
	  FROM sigsentry.project p
	 WHERE p.tenant_id = v_tenant AND p.id = p_project;
END
$$;
