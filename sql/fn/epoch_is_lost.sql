-- sigsentry.epoch_is_lost: has this database lost what a courier has seen of it?  Then its queue is held.
-- p_mark, p_made_at  the mark that the courier remembers, and when it was made
-- p_name  the courier's name
-- Returns true: it has, and nobody has released the queue since.
-- Tables: reads hold; writes epoch; those of sigsentry.queue_oldest and sigsentry.hold_set.
-- Role: none; courier.guard and courier.epoch call it.
-- A mark that is not here says so unless
--  - it was made before the queue was last released: an admin knows of that;
--  - it is so old that the minute's chores have deleted all that were made before then;
--  - nothing that waits is older than the mark: what the courier has sent is not in this queue, which is that of a new database, or of a
--    backup that was made while nothing waited.
-- The lost mark is laid down as such, and a release makes it one of this database: by its time alone a mark of a clock that was ahead of
-- this one would hold the queue again and again.  Not where nothing is held for want of the row: in the middle of a restore.
CREATE OR REPLACE FUNCTION sigsentry.epoch_is_lost(p_mark uuid, p_made_at timestamptz, p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM sigsentry.epoch e WHERE e.mark = p_mark AND NOT e.is_lost)
	   OR EXISTS (SELECT 1 FROM sigsentry.hold h WHERE h.id = 1 AND p_made_at <= greatest(h.released_at, h.forgotten_at))
	   OR sigsentry.queue_oldest() >= sigsentry.uuid_v7_floor(p_made_at) THEN
		RETURN false;
	END IF;
	PERFORM sigsentry.hold_set('system', p_name, format(
		'the database is older than what the courier has seen of it: a mark of %s is missing.  It was restored from a backup, or a '
		'standby that was behind has taken over; what waits may have been sent already', sigsentry.rfc3339(p_made_at)));
	IF NOT EXISTS (SELECT 1 FROM sigsentry.epoch e WHERE e.mark = p_mark) THEN
		INSERT INTO sigsentry.epoch (mark, made_at, is_lost)
		SELECT p_mark, p_made_at, true FROM sigsentry.hold h WHERE h.id = 1
		    ON CONFLICT ON CONSTRAINT epoch_pkey DO NOTHING;
	END IF;
	RETURN true;
END
$$;
