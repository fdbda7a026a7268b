-- admin.apikey_revoke: refuse a key from the next request on, for good.
-- p_actor  the local user
-- p_id     id of the key
-- Returns one row: status, then the key's columns as in admin.apikey_list.  Status: ok, no_key.
-- Tables: writes api_key, audit (nothing if it is revoked already: the first time stands).
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.apikey_revoke(
	p_actor text, p_id uuid,
	OUT status text, OUT "id" uuid, OUT "tenantId" uuid, OUT "projectId" uuid, OUT "kind" text, OUT "name" text,
	OUT "displayPrefix" text, OUT "permissions" jsonb, OUT "createdAt" text, OUT "expiresAt" text, OUT "revokedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_tenant uuid;
	v_revoked timestamptz;
BEGIN
	-- By its id alone, which is unique among all tenants: the one who revokes a leaked key may know no more.
	SELECT k.tenant_id, k.revoked_at INTO v_tenant, v_revoked
	  FROM sigsentry.api_key k
	 WHERE k.id = p_id
	   FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		status := 'no_key';
		RETURN;
	END IF;
	IF v_revoked IS NULL THEN
		UPDATE sigsentry.api_key AS k SET revoked_at = now()
		 WHERE k.tenant_id = v_tenant AND k.id = p_id
		RETURNING k.revoked_at INTO v_revoked;
		PERFORM sigsentry.audit_by_user(p_actor, v_tenant, 'apikey.revoke', p_id::text,
		                                jsonb_build_object('revokedAt', NULL),
		                                jsonb_build_object('revokedAt', sigsentry.rfc3339(v_revoked)));
	END IF;
	status := 'ok';
	SELECT k.id, k.tenant_id, k.project_id, k.kind, k.name, k.display_prefix, to_jsonb(k.permissions),
	       sigsentry.rfc3339(k.created_at), sigsentry.rfc3339(k.expires_at), sigsentry.rfc3339(k.revoked_at)
	  INTO "id", "tenantId", "projectId", "kind", "name", "displayPrefix", "permissions", "createdAt", "expiresAt",
	       "revokedAt"
	  FROM sigsentry.api_key k
	 WHERE k.tenant_id = v_tenant AND k.id = p_id;
END
$$;
