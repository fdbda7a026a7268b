-- sigsentry.queue_overdue: for how long has the oldest of those deliveries waited that could go at once, if only a courier took it?
-- Returns seconds; 0: there is none.
-- Tables: reads queue, lane.
-- Role: none; api.ready and admin.queue_status call it.
-- What a channel's pace, its pauses or a suspended tenant hold back is not due: then its lane is not.  Asks the ends of indexes
-- alone.
CREATE OR REPLACE FUNCTION sigsentry.queue_overdue() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
	SELECT greatest(coalesce(date_part('epoch', now() - least(
		(SELECT min(n.created_at) FROM (SELECT q.created_at FROM sigsentry.queue q WHERE q.wake_at = '-infinity' ORDER BY q.id LIMIT 100) n),
		(SELECT q.wake_at FROM sigsentry.queue q WHERE q.wake_at > '-infinity' AND q.wake_at <= now() ORDER BY q.wake_at LIMIT 1),
		(SELECT l.due_at FROM sigsentry.lane l WHERE l.is_failing AND l.due_at <= now() AND l.due_at < 'infinity' ORDER BY l.due_at LIMIT 1),
		(SELECT l.due_at FROM sigsentry.lane l WHERE NOT l.is_failing AND l.due_at <= now() AND l.due_at < 'infinity' ORDER BY l.due_at LIMIT 1)
	)), 0), 0)::integer
$$;
