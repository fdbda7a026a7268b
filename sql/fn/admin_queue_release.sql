-- admin.queue_release: let the queue go again.
-- p_actor  the local user
-- Returns one row: status (ok); released, whether it was held until now; waiting, deliveries that go now or when their time comes.
-- Tables: reads queue; writes hold, epoch, audit.
-- Role: sigsentry_owner.
-- It is noted in either case: what a courier remembers of before holds the queue no more.  An admin may be faster than the courier.
CREATE OR REPLACE FUNCTION admin.queue_release(p_actor text, OUT status text, OUT "released" boolean, OUT "waiting" bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_before jsonb;
BEGIN
	SELECT jsonb_build_object('held', h.held_at IS NOT NULL, 'heldAt', sigsentry.rfc3339(h.held_at), 'why', h.why), h.held_at IS NOT NULL
	  INTO v_before, "released"
	  FROM sigsentry.hold h WHERE h.id = 1
	   FOR UPDATE;
	UPDATE sigsentry.hold AS h SET held_at = NULL, held_by = NULL, why = NULL, released_at = now() WHERE h.id = 1;
	UPDATE sigsentry.epoch AS e SET is_lost = false WHERE e.is_lost;
	IF "released" THEN
		PERFORM sigsentry.audit_by_user(p_actor, NULL, 'queue.release', 'queue', jsonb_strip_nulls(v_before), '{"held": false}');
	END IF;
	SELECT count(*) INTO "waiting" FROM sigsentry.queue q;
	status := 'ok';
END
$$;
