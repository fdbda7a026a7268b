-- sigsentry.queue_wake: make ready what must be looked at: new deliveries, those whose pause is over, those whose courier is
-- gone.  One whose channel is gone (deleted while its event was on its way) goes, too.
-- p_limit  how many at the most
-- Returns nothing.
-- Tables: reads channel; writes queue, lane.
-- Role: none; courier.claim calls it.
-- Lanes are written in the order of their keys, so that two couriers never wait for each other in a circle.
CREATE OR REPLACE FUNCTION sigsentry.queue_wake(p_limit integer) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
	WITH awake AS MATERIALIZED (
		SELECT q.ctid, c.id IS NULL AS is_lost
		  FROM sigsentry.queue q
		  LEFT JOIN sigsentry.channel c ON c.tenant_id = q.tenant_id AND c.id = q.channel_id
		 WHERE q.wake_at <= now()
		 ORDER BY q.wake_at
		 LIMIT p_limit
		   FOR UPDATE OF q SKIP LOCKED
	), lost AS (
		DELETE FROM sigsentry.queue q
		 WHERE q.ctid = ANY (ARRAY (SELECT a.ctid FROM awake a WHERE a.is_lost))
	), ready AS (
		UPDATE sigsentry.queue AS q
		   SET wake_at = NULL, claim_id = NULL
		 WHERE q.ctid = ANY (ARRAY (SELECT a.ctid FROM awake a WHERE NOT a.is_lost))
		RETURNING q.tenant_id, q.channel_id
	)
	INSERT INTO sigsentry.lane AS l (tenant_id, channel_id, due_at)
	SELECT DISTINCT r.tenant_id, r.channel_id, now()
	  FROM ready r
	 ORDER BY 1, 2
	    ON CONFLICT ON CONSTRAINT lane_pkey DO UPDATE
	   SET due_at = least(l.due_at, greatest(excluded.due_at, l.pause_until))
	 WHERE l.due_at > greatest(excluded.due_at, l.pause_until)
$$;
