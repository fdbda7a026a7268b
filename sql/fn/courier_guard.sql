-- courier.guard: may this courier claim?  Asked with each claim, in its statement: a database may be restored between any two of them,
-- even without an end of the session.
-- p_claim  id of the claim
-- p_mark, p_made_at  the mark that the courier remembers, and when it was made
-- p_name   the courier's name
-- Returns the claim's id; NULL: it may not, the queue is held (sigsentry.epoch_is_lost).
-- Tables: reads epoch; those of sigsentry.epoch_is_lost.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.guard(p_claim uuid, p_mark uuid, p_made_at timestamptz, p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	IF NOT EXISTS (SELECT 1 FROM sigsentry.epoch e WHERE e.mark = p_mark AND NOT e.is_lost)
	   AND sigsentry.epoch_is_lost(p_mark, p_made_at, p_name) THEN
		RETURN NULL;
	END IF;
	RETURN p_claim;
END
$$;
