-- api.deliveries_retry: send many of a channel's deliveries that have ended again; a batch of them.
-- p_digest, p_project  as sigsentry.key_check
-- p_id      the channel
-- p_since, p_until  when they were created; p_until NULL is now
-- p_status  which of failed, cancelled, delivered
-- p_after   the last of the batch before: so that one which has failed again since is not taken twice; NULL is none
-- p_batch   how many at the most
-- p_call    id of this call, made by the caller; becomes the audit row's.  A second call with it answers as the first did
-- Returns one row: status of sigsentry.channel_reach, or channel_inactive, key_id, tenant_id, project_id, queued, last
-- (the batch's last delivery).
-- Tables: those of sigsentry.channel_reach; those of sigsentry.queue_again; writes audit (nothing if none is queued).
-- Role: sigsentry_api.
-- plan_cache_mode: a plan for any time and any cursor would open every week of the history.
CREATE OR REPLACE FUNCTION api.deliveries_retry(
	p_digest bytea, p_project uuid, p_id uuid, p_since timestamptz, p_until timestamptz, p_status text[], p_after uuid,
	p_batch integer, p_call uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT queued integer, OUT last uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
AS $$
DECLARE
	v_active boolean;
	v_ids uuid[];
BEGIN
	SELECT r.status, r.key_id, r.tenant_id, r.project_id, (r.channel).is_active
	  INTO status, key_id, tenant_id, project_id, v_active
	  FROM sigsentry.channel_reach(p_digest, p_project, 'config:write', p_id) r;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- Of two calls with one id the second may come while the first, whose answer nobody waits for any more, is still at it.
	PERFORM pg_advisory_xact_lock(hashtextextended(p_call::text, 0));
	SELECT (a.after ->> 'queued')::integer, (a.after ->> 'last')::uuid
	  INTO queued, last
	  FROM sigsentry.audit a
	 WHERE a.id = p_call AND a.tenant_id = deliveries_retry.tenant_id;
	IF FOUND THEN
		RETURN;
	END IF;
	IF NOT v_active THEN
		status := 'channel_inactive';
		RETURN;
	END IF;
	-- One second of ids on either side: they are made by clocks of their own.
	v_ids := ARRAY (
		SELECT d.id
		  FROM sigsentry.delivery d
		 WHERE d.tenant_id = deliveries_retry.tenant_id AND d.channel_id = p_id AND NOT d.is_test
		   AND (p_after IS NULL OR d.id > p_after)
		   AND d.id >= sigsentry.uuid_v7_floor(p_since - interval '1 second')
		   AND d.id < sigsentry.uuid_v7_floor(coalesce(p_until, now()) + interval '1 second')
		   AND d.created_at >= p_since AND d.created_at <= coalesce(p_until, now()) AND d.status = ANY (p_status)
		 ORDER BY d.id
		 LIMIT p_batch
		   FOR UPDATE SKIP LOCKED);
	last := v_ids[cardinality(v_ids)];
	queued := sigsentry.queue_again(tenant_id, v_ids);
	IF queued > 0 THEN
		INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, after)
		VALUES (p_call, deliveries_retry.tenant_id, 'key', deliveries_retry.key_id::text, 'channel.retry', 'channel', p_id::text,
		        jsonb_build_object('queued', queued, 'last', last, 'status', p_status));
	END IF;
END
$$;
