-- sigsentry.queue_oldest: what is the oldest of the history that the queue still needs?
-- Returns the least id of a delivery or event in the queue; the greatest of all ids where it is empty.
-- Tables: reads queue.
-- Role: none; courier.history_drop calls it.
-- It is called while the history is locked, so it reads no more than the ends of indexes: of deliveries, each tenant's first.
CREATE OR REPLACE FUNCTION sigsentry.queue_oldest() RETURNS uuid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
	WITH RECURSIVE firsts AS (
		(SELECT q.tenant_id, q.id FROM sigsentry.queue q ORDER BY q.tenant_id, q.id LIMIT 1)
		 UNION ALL
		SELECT n.tenant_id, n.id
		  FROM firsts f
		 CROSS JOIN LATERAL (SELECT q.tenant_id, q.id FROM sigsentry.queue q
		                      WHERE q.tenant_id > f.tenant_id
		                      ORDER BY q.tenant_id, q.id LIMIT 1) n
	)
	SELECT least((SELECT f.id FROM firsts f ORDER BY f.id LIMIT 1),
	             (SELECT q.event_id FROM sigsentry.queue q ORDER BY q.event_id LIMIT 1),
	             'ffffffff-ffff-ffff-ffff-ffffffffffff')
$$;
