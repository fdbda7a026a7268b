-- sigsentry.queue_hold: lock deliveries that are under way, in the order of their keys, which is that of all couriers.
-- p_tenants, p_ids, p_claims  the deliveries, and the claims under which they are sent
-- Returns where each lies, in the order of the parameters; NULL for one with a stale claim.  Good for the caller's next statement,
-- and for no other: one that locks and writes in one statement does not see what it had to wait for, and would write nothing.
-- Tables: locks rows of queue.
-- Role: none; courier.record and others call it.
-- One by one: of a queue that has grown since it was empty the planner knows nothing, and a plain join would go through all of it with
-- each batch (measured: 0.8 s a batch at 100,000 rows).  Compared as a row, a key leads to the primary key alone; by = on each column
-- the planner may take another index that has only one of them.  No bitmap: it would be made of all that follow the row (measured: three
-- times the time of a whole batch).
CREATE OR REPLACE FUNCTION sigsentry.queue_hold(p_tenants uuid[], p_ids uuid[], p_claims uuid[]) RETURNS tid[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
	RETURN (SELECT array_agg(q.at ORDER BY t.nth)
	          FROM (SELECT t.*
	                  FROM unnest(p_tenants, p_ids, p_claims) WITH ORDINALITY AS t (tenant_id, id, claim_id, nth)
	                 ORDER BY t.tenant_id, t.id) t
	          LEFT JOIN LATERAL (SELECT o.ctid AS at
	                               FROM sigsentry.queue o
	                              WHERE (o.tenant_id, o.id) >= (t.tenant_id, t.id) AND (o.tenant_id, o.id) <= (t.tenant_id, t.id)
	                                AND o.claim_id IS NOT DISTINCT FROM t.claim_id
	                              LIMIT 1 FOR UPDATE) q ON true);
END
$$;
