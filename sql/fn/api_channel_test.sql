-- api.channel_test: send a channel a real message, marked as a test.
-- p_digest, p_project  as sigsentry.key_check
-- p_id    the channel; a switched-off one too
-- p_call  id of the delivery, made by the caller; a second call with it answers as the first did
-- Returns one row: status of sigsentry.channel_reach, key_id, tenant_id, project_id.
-- Tables: those of sigsentry.channel_reach; writes event, queue.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.channel_test(
	p_digest bytea, p_project uuid, p_id uuid, p_call uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_reach record;
	v_channel sigsentry.channel;
	v_event uuid := sigsentry.uuid_v7();
BEGIN
	SELECT * INTO v_reach FROM sigsentry.channel_reach(p_digest, p_project, 'config:write', p_id);
	status := v_reach.status;
	key_id := v_reach.key_id;
	tenant_id := v_reach.tenant_id;
	project_id := v_reach.project_id;
	v_channel := v_reach.channel;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- Of two calls with one id the second may come while the first, whose answer nobody waits for any more, is still at it.
	PERFORM pg_advisory_xact_lock(hashtextextended(p_call::text, 0));
	PERFORM 1 FROM sigsentry.delivery_all d WHERE d.tenant_id = channel_test.tenant_id AND d.id = p_call;
	IF FOUND THEN
		RETURN;
	END IF;
	INSERT INTO sigsentry.event (tenant_id, id, project_id, name, severity, payload, occurred_at, deliveries)
	VALUES (tenant_id, v_event, coalesce(v_channel.project_id, project_id, '00000000-0000-0000-0000-000000000000'), 'sigsentry.test', 4,
	        jsonb_build_object('event', 'sigsentry.test', 'severity', 'info', 'summary',
	                           'This is a test of the channel ' || v_channel.name || '. Nothing is wrong.'),
	        now(), 1);
	INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, is_test)
	VALUES (tenant_id, p_call, p_id, v_event, 4, true);
END
$$;
