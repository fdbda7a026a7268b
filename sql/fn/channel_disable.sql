-- sigsentry.channel_disable: switch a channel off, and end what waits for it.
-- p_tenant, p_channel  the channel
-- p_project  whose other channels are told
-- p_code, p_message    why: disabledReason
-- Returns nothing.
-- Tables: writes channel, audit; those of sigsentry.queue_cancel and sigsentry.channel_notice.
-- Role: none; courier.record calls it.
CREATE OR REPLACE FUNCTION sigsentry.channel_disable(p_tenant uuid, p_channel uuid, p_project uuid, p_code text, p_message text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_reason jsonb := jsonb_build_object('code', p_code, 'message', p_message, 'at', sigsentry.rfc3339(now()));
BEGIN
	UPDATE sigsentry.channel AS c
	   SET is_active = false, disabled_reason = v_reason, updated_at = now()
	 WHERE c.tenant_id = p_tenant AND c.id = p_channel AND c.is_active;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, before, after)
	VALUES (sigsentry.uuid_v7(), p_tenant, 'system', 'courier', 'channel.disable', 'channel', p_channel::text,
	        '{"isActive": true}', jsonb_build_object('isActive', false, 'disabledReason', v_reason));
	PERFORM sigsentry.queue_cancel(p_tenant, p_channel, 'the channel was switched off');
	PERFORM sigsentry.channel_notice(p_tenant, p_channel, p_project, 'channel.disabled', p_message);
END
$$;
