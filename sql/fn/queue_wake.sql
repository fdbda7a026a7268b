-- sigsentry.queue_wake: make ready what must be looked at: new deliveries, those whose pause is over, those whose courier is
-- gone.  One whose channel is gone (deleted while its event was on its way) goes, too.
-- p_limit  how many at the most, and a tenth more
-- Returns nothing.
-- Tables: reads channel; writes queue, lane, attempt; those of sigsentry.lane_hold and sigsentry.queue_drop.
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
	v_lost_tenants uuid[];
	v_lost uuid[];
	v_ats tid[];
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
		RETURNING q.tenant_id, q.id
	), ready AS (
		UPDATE sigsentry.queue AS q
		   SET wake_at = NULL, claim_id = NULL
		 WHERE q.ctid = ANY (ARRAY (SELECT a.ctid FROM awake a WHERE NOT a.is_lost))
		RETURNING q.tenant_id, q.channel_id
	)
	SELECT array_agg(d.tenant_id), array_agg(d.channel_id), ARRAY (SELECT l.tenant_id FROM lost l), ARRAY (SELECT l.id FROM lost l)
	  INTO v_tenants, v_channels, v_lost_tenants, v_lost
	  FROM (SELECT DISTINCT r.tenant_id, r.channel_id FROM ready r) d;
	IF v_lost <> '{}' THEN
		DELETE FROM sigsentry.attempt a
		 USING unnest(v_lost_tenants, v_lost) AS l (tenant_id, id)
		 WHERE a.tenant_id = l.tenant_id AND a.delivery_id = l.id;
	END IF;
	IF v_channels IS NULL THEN
		RETURN;
	END IF;

	INSERT INTO sigsentry.lane (tenant_id, channel_id, due_at)
	SELECT n.tenant_id, n.channel_id, now()
	  FROM (SELECT n.tenant_id, n.channel_id
	          FROM unnest(v_tenants, v_channels) AS n (tenant_id, channel_id)
	          LEFT JOIN LATERAL (SELECT true AS is_there FROM sigsentry.lane o
	                              WHERE o.tenant_id = n.tenant_id AND o.channel_id = n.channel_id LIMIT 1) l ON true
	         WHERE l.is_there IS NULL
	         ORDER BY n.tenant_id, n.channel_id) n
	 CROSS JOIN LATERAL (SELECT FROM sigsentry.channel o WHERE o.tenant_id = n.tenant_id AND o.id = n.channel_id LIMIT 1 FOR KEY SHARE) c
	    ON CONFLICT ON CONSTRAINT lane_pkey DO NOTHING;

	-- A claim that holds a lane does not see these, and may put it to sleep: it is waited for, and then seen.
	v_ats := sigsentry.lane_hold(v_tenants, v_channels);
	UPDATE sigsentry.lane AS l
	   SET due_at = greatest(now(), l.pause_until)
	 WHERE l.ctid = ANY (v_ats) AND l.due_at > greatest(now(), l.pause_until);
	-- Whose channel was deleted meanwhile will not be looked at again.
	IF array_position(v_ats, NULL) IS NOT NULL THEN
		PERFORM sigsentry.queue_drop(n.tenant_id, n.channel_id, false)
		   FROM unnest(v_tenants, v_channels, v_ats) AS n (tenant_id, channel_id, at)
		  WHERE n.at IS NULL;
	END IF;
END
$$;
