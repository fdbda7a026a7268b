-- admin.project_create: make a project of a tenant.
-- p_actor   the local user
-- p_tenant  its tenant
-- p_name    1 to 255 characters without controls
-- p_slug    1 to 63 of a-z, 0-9 and inner hyphens, once in the tenant
-- Returns one row: status, then the project.  Status: ok, bad_name, bad_slug, no_tenant, slug_taken.
-- Tables: reads tenant; writes project, audit.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.project_create(
	p_actor text, p_tenant uuid, p_name text, p_slug text,
	OUT status text, OUT "id" uuid, OUT "tenantId" uuid, OUT "name" text, OUT "slug" text, OUT "createdAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT sigsentry.name_ok(p_name) THEN
		status := 'bad_name';
		RETURN;
	END IF;
	IF p_slug IS NULL OR p_slug !~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' THEN
		status := 'bad_slug';
		RETURN;
	END IF;
	PERFORM 1 FROM sigsentry.tenant t WHERE t.id = p_tenant FOR KEY SHARE;
	IF NOT FOUND THEN
		status := 'no_tenant';
		RETURN;
	END IF;
	INSERT INTO sigsentry.project AS p (tenant_id, id, name, slug)
	VALUES (p_tenant, sigsentry.uuid_v7(), p_name, p_slug)
	    ON CONFLICT ON CONSTRAINT project_slug_key DO NOTHING
	RETURNING p.id, p.tenant_id, p.name, p.slug, sigsentry.rfc3339(p.created_at)
	     INTO "id", "tenantId", "name", "slug", "createdAt";
	IF NOT FOUND THEN
		status := 'slug_taken';
		RETURN;
	END IF;
	status := 'ok';
	PERFORM sigsentry.audit_by_user(p_actor, p_tenant, 'project.create', "id"::text, NULL,
	                                jsonb_build_object('name', p_name, 'slug', p_slug));
END
$$;
