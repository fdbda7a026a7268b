-- admin.queue_hold: hold the queue by hand; one that is held already stays as it is.
-- p_actor   the local user
-- p_reason  why, for people; NULL is none
-- Returns one row: status (ok, bad_reason), held, heldAt, heldBy, why.
-- Tables: reads hold; those of sigsentry.hold_set.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.queue_hold(
	p_actor text, p_reason text, OUT status text, OUT "held" boolean, OUT "heldAt" text, OUT "heldBy" text, OUT "why" text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF char_length(p_reason) > 1000 OR p_reason ~ '[[:cntrl:]]' THEN
		status := 'bad_reason';
		RETURN;
	END IF;
	PERFORM sigsentry.hold_set('user', p_actor, coalesce(nullif(p_reason, ''), 'held by hand'));
	SELECT 'ok', h.held_at IS NOT NULL, sigsentry.rfc3339(h.held_at), h.held_by, h.why
	  INTO status, "held", "heldAt", "heldBy", "why"
	  FROM sigsentry.hold h;
END
$$;
