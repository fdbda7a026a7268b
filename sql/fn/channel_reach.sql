-- sigsentry.channel_reach: may this key do this to this channel?  For what is done with a channel's deliveries.
-- p_digest, p_project, p_permission  as sigsentry.key_check
-- p_channel  the channel
-- Returns one row: status of sigsentry.key_check, or not_found, tenant_wide (a project's key may not write with it), key_id,
-- tenant_id, project_id, and the channel.
-- Tables: those of sigsentry.key_check; channel.
-- Role: none; the functions of schema api call it.
CREATE OR REPLACE FUNCTION sigsentry.channel_reach(
	p_digest bytea, p_project uuid, p_permission text, p_channel uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT channel sigsentry.channel)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_kind text;
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id, k.kind
	  INTO status, key_id, tenant_id, project_id, v_kind
	  FROM sigsentry.key_check(p_digest, p_project, false, p_permission, false) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	SELECT c.*
	  INTO channel
	  FROM sigsentry.channel c
	 WHERE c.tenant_id = channel_reach.tenant_id AND c.id = p_channel
	   AND (channel_reach.project_id IS NULL OR c.project_id IS NULL OR c.project_id = channel_reach.project_id);
	IF NOT FOUND THEN
		status := 'not_found';
	ELSIF v_kind = 'secret' AND channel.project_id IS NULL AND p_permission = 'config:write' THEN
		status := 'tenant_wide';
	END IF;
END
$$;
