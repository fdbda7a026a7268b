-- api.delivery_retry: send a delivery that has ended again.
-- p_digest, p_project  as sigsentry.key_check
-- p_id        the channel
-- p_delivery  the delivery
-- p_call      id of this call, made by the caller; becomes the audit row's.  A second call with it answers as the first did
-- Returns one row: status of sigsentry.channel_reach, or no_delivery, not_finished, channel_inactive, key_id, tenant_id,
-- project_id.
-- Tables: those of sigsentry.channel_reach; those of sigsentry.queue_again; writes audit.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.delivery_retry(
	p_digest bytea, p_project uuid, p_id uuid, p_delivery uuid, p_call uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_active boolean;
	v_status text;
	v_test boolean;
	v_event uuid;
BEGIN
	SELECT r.status, r.key_id, r.tenant_id, r.project_id, (r.channel).is_active
	  INTO status, key_id, tenant_id, project_id, v_active
	  FROM sigsentry.channel_reach(p_digest, p_project, 'config:write', p_id) r;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- Of two calls with one id the second may come while the first, whose answer nobody waits for any more, is still at it.
	PERFORM pg_advisory_xact_lock(hashtextextended(p_call::text, 0));
	PERFORM 1 FROM sigsentry.audit a WHERE a.id = p_call AND a.tenant_id = delivery_retry.tenant_id;
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT d.status, d.is_test, d.event_id
	  INTO v_status, v_test, v_event
	  FROM sigsentry.delivery_all d
	 WHERE d.tenant_id = delivery_retry.tenant_id AND d.id = p_delivery AND d.channel_id = p_id;
	IF NOT FOUND THEN
		status := 'no_delivery';
	ELSIF v_status IN ('pending', 'sending') THEN
		status := 'not_finished';
	ELSIF NOT v_active AND NOT v_test THEN
		status := 'channel_inactive';
	ELSIF NOT EXISTS (SELECT 1 FROM sigsentry.event e WHERE e.tenant_id = delivery_retry.tenant_id AND e.id = v_event) THEN
		status := 'no_delivery';
	ELSIF sigsentry.queue_again(tenant_id, ARRAY[p_delivery]) = 0 THEN
		-- Another call has put it there in this moment.
		status := 'not_finished';
	ELSE
		INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, before, after)
		VALUES (p_call, delivery_retry.tenant_id, 'key', delivery_retry.key_id::text, 'delivery.retry', 'delivery', p_delivery::text,
		        jsonb_build_object('status', v_status), '{"status": "pending"}');
	END IF;
END
$$;
