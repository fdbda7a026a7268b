-- sigsentry.channel_hold: lock the channels that a batch of outcomes may switch off, in the order of their keys.
-- p_tenants, p_ids, p_claims, p_outcomes, p_disable_s  as courier.record's
-- Returns nothing.
-- Tables: reads queue, lane; locks rows of channel.
-- Role: none; courier.record calls it.
-- One by one, as in sigsentry.queue_hold.
CREATE OR REPLACE FUNCTION sigsentry.channel_hold(
	p_tenants uuid[], p_ids uuid[], p_claims uuid[], p_outcomes text[], p_disable_s integer)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
	PERFORM 1
	  FROM sigsentry.channel c
	 WHERE (c.tenant_id, c.id) IN (
		SELECT q.tenant_id, q.channel_id
		  FROM unnest(p_tenants, p_ids, p_claims, p_outcomes) AS t (tenant_id, id, claim_id, outcome)
		 CROSS JOIN LATERAL (SELECT o.tenant_id, o.channel_id
		                       FROM sigsentry.queue o
		                      WHERE (o.tenant_id, o.id) >= (t.tenant_id, t.id) AND (o.tenant_id, o.id) <= (t.tenant_id, t.id)
		                        AND o.claim_id IS NOT DISTINCT FROM t.claim_id
		                      LIMIT 1) q
		  LEFT JOIN LATERAL (SELECT o.failing_since FROM sigsentry.lane o
		                      WHERE o.tenant_id = q.tenant_id AND o.channel_id = q.channel_id LIMIT 1) l ON true
		 WHERE t.outcome = 'gone'
		    OR (t.outcome IN ('retry', 'refused') AND p_disable_s > 0
		        AND l.failing_since <= now() - make_interval(secs => p_disable_s)))
	 ORDER BY c.tenant_id, c.id
	   FOR NO KEY UPDATE;
END
$$;
