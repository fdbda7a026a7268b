-- api.settings_set: change the tenant's settings of notifications.
-- p_digest, p_project  as sigsentry.key_check
-- p_call       id of this call, made by the caller; becomes the audit row's.  A second call with it changes nothing more
-- p_threshold  the threshold offered for new channels
-- Returns one row: status of sigsentry.key_check, key_id, tenant_id, project_id.
-- Tables: those of sigsentry.key_check; writes tenant, audit (nothing if it is so already).
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.settings_set(
	p_digest bytea, p_project uuid, p_call uuid, p_threshold smallint,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_old smallint;
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id
	  INTO status, key_id, tenant_id, project_id
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:write', false) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	SELECT t.default_severity INTO v_old FROM sigsentry.tenant t WHERE t.id = settings_set.tenant_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN       -- deleted since the key was looked at
		status := 'unauthorized';
		RETURN;
	END IF;
	PERFORM 1 FROM sigsentry.audit a WHERE a.id = p_call AND a.tenant_id = settings_set.tenant_id;
	IF FOUND OR v_old = p_threshold THEN
		RETURN;
	END IF;
	UPDATE sigsentry.tenant AS t SET default_severity = p_threshold WHERE t.id = settings_set.tenant_id;
	INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, before, after)
	VALUES (p_call, settings_set.tenant_id, 'key', settings_set.key_id::text, 'settings.update', 'settings',
	        settings_set.tenant_id::text,
	        jsonb_build_object('defaultSeverityThreshold', sigsentry.severity_word(v_old)),
	        jsonb_build_object('defaultSeverityThreshold', sigsentry.severity_word(p_threshold)));
END
$$;
