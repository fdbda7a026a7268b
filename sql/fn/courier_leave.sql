-- courier.leave: a courier ends, and has written down all that it knew: it counts as alive no longer.
-- p_courier  as table courier's
-- Returns nothing.
-- Tables: those of sigsentry.tally_fold.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.leave(p_courier uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE sigsentry.courier AS c SET beat_at = '-infinity' WHERE c.id = p_courier;
	SELECT sigsentry.tally_fold(interval '1 day')
$$;
