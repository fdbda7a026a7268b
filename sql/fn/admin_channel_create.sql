-- admin.channel_create: make a tenant-wide channel, with its credentials and its audit row.  No quota: those are a project's.
-- p_actor   the local user
-- p_tenant  its tenant
-- p_id      id of the new channel, made by the caller; a second call with it answers as the first did, and writes nothing
-- p_type, p_name, p_threshold, p_destination  the channel, already judged by contract §3
-- p_fields  names of the credential fields
-- p_sealed  their sealed values, in the same order
-- Returns one row: status, then the channel's columns as in admin.channel_list.  Status: ok, bad_name, no_tenant, bad_id (the
-- tenant has a project's channel with that id; nothing was written).
-- Raises 53S01: see sigsentry.seal_check.
-- Tables: reads tenant, retired_key; writes channel, credential, audit.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.channel_create(
	p_actor text, p_tenant uuid, p_id uuid, p_type text, p_name text, p_threshold smallint, p_destination text,
	p_fields text[], p_sealed bytea[],
	OUT status text, OUT "id" uuid, OUT "type" text, OUT "name" text, OUT "severityThreshold" text, OUT "isActive" boolean,
	OUT "disabledReason" jsonb, OUT "scope" text, OUT "projectId" uuid, OUT "destination" text, OUT "createdAt" text,
	OUT "updatedAt" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT sigsentry.name_ok(p_name) THEN
		status := 'bad_name';
		RETURN;
	END IF;
	PERFORM 1 FROM sigsentry.tenant t WHERE t.id = p_tenant FOR KEY SHARE;
	IF NOT FOUND THEN
		status := 'no_tenant';
		RETURN;
	END IF;
	INSERT INTO sigsentry.channel AS c (tenant_id, id, project_id, type, name, severity_threshold, destination)
	VALUES (p_tenant, p_id, NULL, p_type, p_name, p_threshold, p_destination)
	    ON CONFLICT ON CONSTRAINT channel_pkey DO NOTHING;
	IF FOUND THEN
		INSERT INTO sigsentry.credential (tenant_id, channel_id, field, sealed)
		SELECT p_tenant, p_id, f.field, f.sealed
		  FROM unnest(p_fields, p_sealed) AS f (field, sealed);
		PERFORM sigsentry.seal_check(p_sealed);
		PERFORM sigsentry.audit_by_user(p_actor, p_tenant, 'channel.create', p_id::text, NULL,
		                                jsonb_build_object('type', p_type, 'name', p_name, 'destination', p_destination,
		                                                   'severityThreshold', sigsentry.severity_word(p_threshold)));
	END IF;
	SELECT c.id, c.type, c.name, sigsentry.severity_word(c.severity_threshold), c.is_active, c.disabled_reason, 'tenant',
	       c.destination, sigsentry.rfc3339(c.created_at), sigsentry.rfc3339(c.updated_at)
	  INTO "id", "type", "name", "severityThreshold", "isActive", "disabledReason", "scope",
	       "destination", "createdAt", "updatedAt"
	  FROM sigsentry.channel c
	 WHERE c.tenant_id = p_tenant AND c.id = p_id AND c.project_id IS NULL;
	status := CASE WHEN FOUND THEN 'ok' ELSE 'bad_id' END;
END
$$;
