-- admin.apikey_create: note a new API key, of which the database gets no more than the digest.
-- p_actor           the local user
-- p_tenant          its tenant; NULL: the project's
-- p_project         the project of a pub or secret key; NULL for an org key
-- p_kind            pub, secret or org
-- p_permissions     at least one of the four; a pub key only analysis ones; repeated ones count once
-- p_name            1 to 255 characters without controls
-- p_digest          SHA-256 of the key
-- p_display_prefix  as much of the key as may be shown
-- p_expires_at      when it ends; NULL is never
-- Returns one row: status, then the key's columns as in admin.apikey_list.  Status: ok, bad_kind, bad_name, bad_permission,
-- bad_expiry (not in the future), bad_digest (not 32 bytes, or known already), bad_project (an org key has none),
-- no_project, no_tenant.
-- Tables: reads tenant, project; writes api_key, audit.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.apikey_create(
	p_actor text, p_tenant uuid, p_project uuid, p_kind text, p_permissions text[], p_name text,
	p_digest bytea, p_display_prefix text, p_expires_at timestamptz,
	OUT status text, OUT "id" uuid, OUT "tenantId" uuid, OUT "projectId" uuid, OUT "kind" text, OUT "name" text,
	OUT "displayPrefix" text, OUT "permissions" jsonb, OUT "createdAt" text, OUT "expiresAt" text, OUT "revokedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_tenant uuid;
	v_permissions text[];
BEGIN
	SELECT array_agg(DISTINCT x.word ORDER BY x.word) INTO v_permissions FROM unnest(p_permissions) AS x (word);
	status := CASE
	          WHEN p_kind IS NULL OR p_kind NOT IN ('pub', 'secret', 'org') THEN 'bad_kind'
	          WHEN NOT sigsentry.name_ok(p_name) THEN 'bad_name'
	          WHEN v_permissions IS NULL OR array_position(v_permissions, NULL) IS NOT NULL
	               OR NOT v_permissions <@ ARRAY['analysis:create', 'analysis:read', 'config:read', 'config:write']
	               OR p_kind = 'pub' AND NOT v_permissions <@ ARRAY['analysis:create', 'analysis:read']
	          THEN 'bad_permission'
	          WHEN p_expires_at <= now() THEN 'bad_expiry'
	          WHEN p_digest IS NULL OR octet_length(p_digest) <> 32 THEN 'bad_digest'
	          WHEN p_kind = 'org' AND p_project IS NOT NULL THEN 'bad_project'
	          END;
	IF status IS NOT NULL THEN
		RETURN;
	END IF;
	IF p_kind = 'org' THEN
		SELECT t.id INTO v_tenant FROM sigsentry.tenant t WHERE t.id = p_tenant FOR KEY SHARE;
	ELSE
		SELECT p.tenant_id INTO v_tenant
		  FROM sigsentry.project p
		 WHERE (p_tenant IS NULL OR p.tenant_id = p_tenant) AND p.id = p_project
		   FOR KEY SHARE;
	END IF;
	IF NOT FOUND THEN
		status := CASE p_kind WHEN 'org' THEN 'no_tenant' ELSE 'no_project' END;
		RETURN;
	END IF;
	INSERT INTO sigsentry.api_key AS k
	       (digest, id, tenant_id, project_id, kind, permissions, name, display_prefix, expires_at)
	VALUES (p_digest, sigsentry.uuid_v7(), v_tenant, p_project, p_kind, v_permissions, p_name, p_display_prefix, p_expires_at)
	    ON CONFLICT ON CONSTRAINT api_key_pkey DO NOTHING
	RETURNING k.id, k.tenant_id, k.project_id, k.kind, k.name, k.display_prefix, to_jsonb(k.permissions),
	          sigsentry.rfc3339(k.created_at), sigsentry.rfc3339(k.expires_at)
	     INTO "id", "tenantId", "projectId", "kind", "name", "displayPrefix", "permissions", "createdAt", "expiresAt";
	IF NOT FOUND THEN
		status := 'bad_digest';
		RETURN;
	END IF;
	status := 'ok';
	PERFORM sigsentry.audit_by_user(p_actor, v_tenant, 'apikey.create', "id"::text, NULL,
	                                jsonb_build_object('kind', p_kind, 'name', p_name, 'projectId', p_project,
	                                                   'displayPrefix', p_display_prefix,
	                                                   'permissions', "permissions", 'expiresAt', "expiresAt"));
END
$$;
