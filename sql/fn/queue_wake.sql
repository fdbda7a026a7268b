-- sigsentry.queue_wake: make ready what must be looked at: new deliveries, those whose pause is over, those whose courier is
-- gone.  One whose channel is gone (deleted while its event was on its way) goes, too.
-- p_limit  how many at the most, and a tenth more
-- Returns nothing.
-- Tables: reads channel; writes queue, lane.
-- Role: none; courier.claim calls it.
-- Where there are more than that, the newest are taken, too: an event does not wait behind the hundred thousand that somebody published
-- just before for a channel that takes eight at a time.
-- Two couriers never wait for each other in a circle: who inserts lanes holds none yet but those it has inserted, which nobody
-- else sees, and lanes are inserted, and then locked, in the order of their keys.  A new one is written only while its
-- channel is held, so that no DELETE comes between.
CREATE OR REPLACE FUNCTION sigsentry.queue_wake(p_limit integer) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
	v_tenants uuid[];
	v_channels uuid[];
BEGIN
	-- The first two have one table and nothing to join, and make no bitmap, so that queue_wake_idx alone can serve them.  A plan that
	-- was made while next to nothing waited read and sorted all (measured: 150 ms a claim with 100,000 waiting).
	WITH first AS MATERIALIZED (
		SELECT q.ctid, q.tenant_id, q.channel_id
		  FROM sigsentry.queue q
		 WHERE q.wake_at <= now()
		 ORDER BY q.wake_at, q.id
		 LIMIT p_limit
		   FOR UPDATE SKIP LOCKED
	), newest AS MATERIALIZED (
		SELECT q.ctid, q.tenant_id, q.channel_id
		  FROM sigsentry.queue q
		 WHERE q.wake_at = '-infinity' AND (SELECT count(*) FROM first) = p_limit
		 ORDER BY q.id DESC
		 LIMIT p_limit / 10
		   FOR UPDATE SKIP LOCKED
	), awake AS MATERIALIZED (
		SELECT b.ctid, NOT EXISTS (SELECT 1 FROM sigsentry.channel c WHERE c.tenant_id = b.tenant_id AND c.id = b.channel_id) AS is_lost
		  FROM (SELECT f.* FROM first f UNION ALL SELECT n.* FROM newest n) b
	), lost AS (
		DELETE FROM sigsentry.queue q
		 WHERE q.ctid = ANY (ARRAY (SELECT a.ctid FROM awake a WHERE a.is_lost))
	), ready AS (
		UPDATE sigsentry.queue AS q
		   SET wake_at = NULL, claim_id = NULL
		 WHERE q.ctid = ANY (ARRAY (SELECT a.ctid FROM awake a WHERE NOT a.is_lost))
		RETURNING q.tenant_id, q.channel_id
	)
	SELECT array_agg(d.tenant_id), array_agg(d.channel_id)
	  INTO v_tenants, v_channels
	  FROM (SELECT DISTINCT r.tenant_id, r.channel_id FROM ready r) d;
	IF v_channels IS NULL THEN
		RETURN;
	END IF;

	INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at)
	SELECT c.tenant_id, c.id, now()
	  FROM unnest(v_tenants, v_channels) AS n (tenant_id, channel_id)
	  JOIN sigsentry.channel c ON c.tenant_id = n.tenant_id AND c.id = n.channel_id
	 WHERE NOT EXISTS (SELECT 1 FROM sigsentry.lane l WHERE l.tenant_id = n.tenant_id AND l.channel_id = n.channel_id)
	 ORDER BY c.tenant_id, c.id
	   FOR KEY SHARE OF c
	    ON CONFLICT ON CONSTRAINT lane_pkey DO NOTHING;

	-- A claim that holds a lane does not see these, and may put it to sleep: it is waited for, and then seen.
	PERFORM 1
	  FROM unnest(v_tenants, v_channels) AS n (tenant_id, channel_id)
	  JOIN sigsentry.lane l ON l.tenant_id = n.tenant_id AND l.channel_id = n.channel_id
	 ORDER BY l.tenant_id, l.channel_id
	   FOR UPDATE OF l;
	UPDATE sigsentry.lane AS l
	   SET due_at = greatest(now(), l.pause_until)
	  FROM unnest(v_tenants, v_channels) AS n (tenant_id, channel_id)
	 WHERE l.tenant_id = n.tenant_id AND l.channel_id = n.channel_id AND l.due_at > greatest(now(), l.pause_until);
END
$$;
