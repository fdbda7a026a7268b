-- courier.housekeep: what must be done once a minute, by any one courier.
-- p_batch  rows that one call deletes of a kind at the most
-- Returns one row: done (false: another courier is at it), more (call again at once: not all was deleted).
-- Tables: writes idempotency, permit, credential, operator_notice, mail_day, epoch, hold; those of sigsentry.history_forget, sigsentry.partitions_make and
-- sigsentry.gauges_count.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.housekeep(p_batch integer, OUT done boolean, OUT more boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_count integer;
BEGIN
	more := false;
	-- "sigsenth" in ASCII
	done := pg_try_advisory_xact_lock(8316291932236969064);
	IF NOT done THEN
		RETURN;
	END IF;

	DELETE FROM sigsentry.idempotency i
	 WHERE i.ctid = ANY (ARRAY (SELECT o.ctid FROM sigsentry.idempotency o
	                             WHERE o.created_at <= now() - interval '24 hours'
	                             ORDER BY o.created_at LIMIT p_batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS v_count = ROW_COUNT;
	more := more OR v_count = p_batch;

	UPDATE sigsentry.credential AS f
	   SET previous_sealed = NULL, previous_until = NULL
	 WHERE f.ctid = ANY (ARRAY (SELECT o.ctid FROM sigsentry.credential o
	                             WHERE o.previous_until <= now()
	                             ORDER BY o.previous_until LIMIT p_batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS v_count = ROW_COUNT;
	more := more OR v_count = p_batch;

	DELETE FROM sigsentry.permit p
	 WHERE p.ctid = ANY (ARRAY (SELECT o.ctid FROM sigsentry.permit o
	                             WHERE o.minute <= now() - interval '1 hour' LIMIT p_batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS v_count = ROW_COUNT;
	more := more OR v_count = p_batch;

	-- Few rows each: one a failing channel and day, one a tenant and day.
	DELETE FROM sigsentry.operator_notice n WHERE n.event_id < sigsentry.uuid_v7_floor(now() - interval '7 days');
	DELETE FROM sigsentry.mail_day m WHERE m.day < (now() AT TIME ZONE 'UTC')::date - 1;

	-- In this order: whoever sees that marks are gone sees that they may be.
	UPDATE sigsentry.hold AS h SET forgotten_at = now() - interval '7 days' WHERE h.id = 1;
	DELETE FROM sigsentry.epoch e WHERE e.made_at < now() - interval '7 days';

	more := sigsentry.history_forget(p_batch) OR more;
	IF NOT more THEN
		PERFORM sigsentry.partitions_make(400);
		PERFORM sigsentry.gauges_count();
	END IF;
END
$$;
