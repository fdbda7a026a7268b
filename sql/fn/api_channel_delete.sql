-- api.channel_delete: delete a channel with its credentials, for good.
-- p_digest, p_project  as sigsentry.key_check
-- p_id    the channel
-- p_call  id of this call, made by the caller; becomes the audit row's.  A second call with it answers as the first did
-- Returns one row: status of sigsentry.key_check, or not_found, tenant_wide (a project's key may only read it), key_id,
-- tenant_id, project_id.
-- Tables: those of sigsentry.key_check; writes channel, credential, lane, gone_channel, audit; those of sigsentry.queue_drop.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.channel_delete(
	p_digest bytea, p_project uuid, p_id uuid, p_call uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_kind text;
	v_old sigsentry.channel;
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id, k.kind
	  INTO status, key_id, tenant_id, project_id, v_kind
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:write', false) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	SELECT c.*
	  INTO v_old
	  FROM sigsentry.channel c
	 WHERE c.tenant_id = channel_delete.tenant_id AND c.id = p_id
	   AND (channel_delete.project_id IS NULL OR c.project_id IS NULL OR c.project_id = channel_delete.project_id)
	   FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM 1 FROM sigsentry.audit a WHERE a.id = p_call AND a.tenant_id = channel_delete.tenant_id;
		IF NOT FOUND THEN
			status := 'not_found';
		END IF;
		RETURN;
	END IF;
	IF v_kind = 'secret' AND v_old.project_id IS NULL THEN
		status := 'tenant_wide';
		RETURN;
	END IF;
	DELETE FROM sigsentry.channel c WHERE c.tenant_id = channel_delete.tenant_id AND c.id = p_id;
	PERFORM sigsentry.queue_drop(channel_delete.tenant_id, p_id, true);
	-- The channel, whose key a courier holds while it makes the lane, is locked before its lane; and this last, since who claims
	-- may wait for it: a million that wait for the channel take seconds to go.
	DELETE FROM sigsentry.lane l WHERE l.tenant_id = channel_delete.tenant_id AND l.channel_id = p_id;
	INSERT INTO sigsentry.gone_channel (tenant_id, channel_id) VALUES (channel_delete.tenant_id, p_id) ON CONFLICT DO NOTHING;
	INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, before)
	VALUES (p_call, channel_delete.tenant_id, 'key', channel_delete.key_id::text, 'channel.delete', 'channel', p_id::text,
	        jsonb_strip_nulls(sigsentry.channel_audit(v_old)));
END
$$;
