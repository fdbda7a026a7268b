-- admin.deliveries_retry: send many of a channel's deliveries that have ended again; a batch of them.
-- p_channel  the channel
-- p_since, p_until  when they were created
-- p_status   which of failed, cancelled, delivered; NULL is failed
-- p_ended    only those that ended before then, so that a batch takes none that an earlier one queued and that has failed since
-- p_batch    how many at the most
-- Returns one row: status (ok, no_channel, channel_inactive), queued.
-- Tables: reads channel, delivery; those of sigsentry.queue_again.
-- Role: sigsentry_owner.
-- plan_cache_mode: a plan for any time would open every week of the history.
CREATE OR REPLACE FUNCTION admin.deliveries_retry(
	p_channel uuid, p_since timestamptz, p_until timestamptz, p_status text[], p_ended timestamptz, p_batch integer,
	OUT status text, OUT "queued" integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
AS $$
DECLARE
	v_tenant uuid;
	v_active boolean;
BEGIN
	SELECT c.tenant_id, c.is_active INTO v_tenant, v_active FROM sigsentry.channel c WHERE c.id = p_channel;
	IF NOT FOUND THEN
		status := 'no_channel';
		RETURN;
	END IF;
	IF NOT v_active THEN
		status := 'channel_inactive';
		RETURN;
	END IF;
	status := 'ok';
	-- One second of ids on either side: they are made by clocks of their own.
	"queued" := sigsentry.queue_again(v_tenant, ARRAY (
		SELECT d.id
		  FROM sigsentry.delivery d
		 WHERE d.tenant_id = v_tenant AND d.channel_id = p_channel AND NOT d.is_test
		   AND d.id >= sigsentry.uuid_v7_floor(p_since - interval '1 second')
		   AND d.id < sigsentry.uuid_v7_floor(coalesce(p_until, p_ended) + interval '1 second')
		   AND d.created_at >= p_since AND d.created_at <= coalesce(p_until, p_ended)
		   AND d.status = ANY (coalesce(p_status, ARRAY['failed'])) AND d.finished_at <= p_ended
		 ORDER BY d.id
		 LIMIT p_batch
		   FOR UPDATE SKIP LOCKED));
END
$$;
