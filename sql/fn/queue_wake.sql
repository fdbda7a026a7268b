-- sigsentry.queue_wake: make ready what must be looked at: new deliveries, those whose pause is over, those whose courier is
-- gone.
-- p_limit  how many at the most
-- Returns nothing.
-- Tables: writes queue, lane.
-- Role: none; courier.claim calls it.
-- Lanes are written in the order of their keys, so that two couriers never wait for each other in a circle.
CREATE OR REPLACE FUNCTION sigsentry.queue_wake(p_limit integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
	WITH ready AS (
		UPDATE sigsentry.queue AS q
		   SET wake_at = NULL, claim_id = NULL
		 WHERE q.ctid = ANY (ARRAY (SELECT o.ctid
		                              FROM sigsentry.queue o
		                             WHERE o.wake_at <= now()
		                             ORDER BY o.wake_at
		                             LIMIT p_limit
		                               FOR UPDATE SKIP LOCKED))
		RETURNING q.tenant_id, q.channel_id
	)
	INSERT INTO sigsentry.lane AS l (tenant_id, channel_id, due_at)
	SELECT r.tenant_id, r.channel_id, now()
	  FROM (SELECT DISTINCT n.tenant_id, n.channel_id FROM ready n) r
	  JOIN sigsentry.channel c ON c.tenant_id = r.tenant_id AND c.id = r.channel_id
	 ORDER BY 1, 2
	    ON CONFLICT ON CONSTRAINT lane_pkey DO UPDATE
	   SET due_at = least(l.due_at, greatest(excluded.due_at, l.pause_until))
	 WHERE l.due_at > greatest(excluded.due_at, l.pause_until)
$$;
