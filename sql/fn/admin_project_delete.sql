-- admin.project_delete: remove a project with its keys and channels, for good.  Its audit rows stay, they are the tenant's.
-- p_actor    the local user
-- p_tenant   its tenant; NULL: whosever it is
-- p_project  the project
-- Returns one row: status, then the id and the tenant's.  Status: ok, no_project.
-- Tables: deletes from project (keys, channels, credentials follow); writes lane, gone_channel, audit; those of sigsentry.queue_drop.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.project_delete(
	p_actor text, p_tenant uuid, p_project uuid,
	OUT status text, OUT "id" uuid, OUT "tenantId" uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_tenant uuid;
	v_before jsonb;
BEGIN
	SELECT p.tenant_id, jsonb_build_object('name', p.name, 'slug', p.slug) INTO v_tenant, v_before
	  FROM sigsentry.project p
	 WHERE (p_tenant IS NULL OR p.tenant_id = p_tenant) AND p.id = p_project
	   FOR UPDATE;
	IF NOT FOUND THEN
		status := 'no_project';
		RETURN;
	END IF;
	v_before := v_before || jsonb_build_object(
		'channels', (SELECT count(*) FROM sigsentry.channel c WHERE c.tenant_id = v_tenant AND c.project_id = p_project),
		'apikeys', (SELECT count(*) FROM sigsentry.api_key k WHERE k.tenant_id = v_tenant AND k.project_id = p_project));
	-- What waits for its channels goes, and then their history (courier.housekeep); rows are locked in the couriers' order, lanes last,
	-- since who claims may wait for them.
	PERFORM 1 FROM sigsentry.channel c WHERE c.tenant_id = v_tenant AND c.project_id = p_project ORDER BY c.id FOR UPDATE;
	PERFORM sigsentry.queue_drop(c.tenant_id, c.id, true)
	   FROM sigsentry.channel c WHERE c.tenant_id = v_tenant AND c.project_id = p_project;
	PERFORM 1 FROM sigsentry.lane l
	  JOIN sigsentry.channel c ON c.tenant_id = l.tenant_id AND c.id = l.channel_id
	 WHERE l.tenant_id = v_tenant AND c.project_id = p_project
	 ORDER BY l.channel_id
	   FOR UPDATE OF l;
	DELETE FROM sigsentry.lane l
	 USING sigsentry.channel c
	 WHERE l.tenant_id = v_tenant AND c.tenant_id = v_tenant AND c.project_id = p_project AND l.channel_id = c.id;
	INSERT INTO sigsentry.gone_channel (tenant_id, channel_id)
	SELECT c.tenant_id, c.id FROM sigsentry.channel c WHERE c.tenant_id = v_tenant AND c.project_id = p_project
	    ON CONFLICT DO NOTHING;
	DELETE FROM sigsentry.project p WHERE p.tenant_id = v_tenant AND p.id = p_project;
	PERFORM sigsentry.audit_by_user(p_actor, v_tenant, 'project.delete', p_project::text, v_before, NULL);
	status := 'ok';
	"id" := p_project;
	"tenantId" := v_tenant;
END
$$;
