-- sigsentry.queue_drop: take the deliveries of a channel that is gone out of the queue, with their attempts.
-- p_tenant, p_channel  the channel
-- p_sending  those that a courier sends, too
-- Returns nothing.  What a courier has in hand is passed over, since it may be waiting for us: such a row goes when it is next looked at
-- (sigsentry.queue_wake), or with the history (sigsentry.history_forget).
-- Tables: writes queue, attempt.
-- Role: none; api.channel_delete and others call it.
-- Without nested loops, as sigsentry.queue_cancel.
CREATE OR REPLACE FUNCTION sigsentry.queue_drop(p_tenant uuid, p_channel uuid, p_sending boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_nestloop = off
AS $$
DECLARE
	v_tried uuid[]; -- those with attempts, in order
BEGIN
	WITH held AS MATERIALIZED (
		SELECT o.id
		  FROM sigsentry.queue o
		 WHERE o.tenant_id = p_tenant AND o.channel_id = p_channel AND (p_sending OR o.claim_id IS NULL)
		   FOR UPDATE SKIP LOCKED
	), dropped AS (
		DELETE FROM sigsentry.queue q
		 USING held h
		 WHERE q.tenant_id = p_tenant AND q.channel_id = p_channel AND q.id = h.id
		RETURNING q.id, q.tries
	)
	SELECT array_agg(d.id ORDER BY d.id) INTO v_tried FROM dropped d WHERE d.tries > 0;
	-- Between the first and the last lie few weeks, and only those are opened.
	DELETE FROM sigsentry.attempt a
	 WHERE a.tenant_id = p_tenant AND a.delivery_id = ANY (v_tried)
	   AND a.delivery_id >= v_tried[1] AND a.delivery_id <= v_tried[cardinality(v_tried)];
END
$$;
