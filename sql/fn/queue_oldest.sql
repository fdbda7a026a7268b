-- sigsentry.queue_oldest: what is the oldest of the history that the queue still needs?
-- Returns the least id of a delivery or event in the queue; the greatest of all ids where it is empty.
-- Tables: reads queue.
-- Role: none; courier.history_drop calls it.
CREATE OR REPLACE FUNCTION sigsentry.queue_oldest() RETURNS uuid
LANGUAGE sql STABLE
AS $$
	SELECT coalesce(min(least(q.id::text, q.event_id::text))::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') FROM sigsentry.queue q
$$;
