-- courier.epoch: make a mark where the newest is 15 seconds old, and look whether a courier's own is here.
-- p_mark, p_made_at  what the courier remembers; NULL: it remembers nothing
-- p_name  the courier's name
-- Returns one row: lost, this database has lost the courier's mark, and its queue is held (sigsentry.epoch_is_lost); mark, made_at, what
-- the courier is to remember from now on (NULL: what it has), made a minute ago at least, so that a standby that takes over and lacks
-- less than that holds nothing up; held_at, held_by, why, where the queue is held, for whatever reason.
-- Tables: reads hold; writes epoch; those of sigsentry.epoch_is_lost.
-- Role: sigsentry_courier.
-- What is newer than now was made by a clock that has been put back; it counts for nothing.  One that is older than the courier's own is
-- never to be remembered in its place: where a restore is only half done, the marks may be there already, and the queue not yet.  But where
-- its own is here, and of a time to come: the clock was put back, and no newer one would be made for so long.
CREATE OR REPLACE FUNCTION courier.epoch(
	p_mark uuid, p_made_at timestamptz, p_name text,
	OUT lost boolean, OUT mark uuid, OUT made_at text, OUT held_at text, OUT held_by text, OUT why text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	lost := p_mark IS NOT NULL AND sigsentry.epoch_is_lost(p_mark, p_made_at, p_name);
	-- "sigsente" in ASCII; who does not get it leaves it to the one that has it
	IF NOT EXISTS (SELECT 1 FROM sigsentry.epoch e
	                WHERE NOT e.is_lost AND e.made_at > now() - interval '15 seconds' AND e.made_at <= now())
	   AND pg_try_advisory_xact_lock(8316291932236969061) THEN
		INSERT INTO sigsentry.epoch (mark) VALUES (gen_random_uuid());
	END IF;
	IF NOT lost THEN
		SELECT e.mark, sigsentry.rfc3339(e.made_at) INTO mark, made_at
		  FROM sigsentry.epoch e
		 WHERE NOT e.is_lost AND e.made_at <= now() - interval '1 minute'
		   AND (p_made_at IS NULL OR e.made_at > p_made_at
		        OR (p_made_at > now() AND EXISTS (SELECT 1 FROM sigsentry.epoch o WHERE o.mark = p_mark AND NOT o.is_lost)))
		 ORDER BY e.made_at DESC LIMIT 1;
	END IF;
	SELECT sigsentry.rfc3339(h.held_at), h.held_by, h.why INTO held_at, held_by, why
	  FROM sigsentry.hold h
	 WHERE h.id = 1 AND h.held_at IS NOT NULL;
END
$$;
