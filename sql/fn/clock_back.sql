-- sigsentry.clock_back: where the database's clock was set back, whatever waits for a time waits no longer for that.
-- Returns nothing.
-- Tables: writes courier, queue, lane, operator_notice.
-- Role: none; courier.renew calls it.
-- A heart that has beaten in what is now the future shows it, and by how much.  Until somebody notices, a channel with a pace would
-- get nothing, and what a courier that died had under way, notices for the operator too, would go nowhere, before the clock has
-- caught up.  Waits are as long as they were; one that began after the clock was set may end early, once.  Less than ten seconds are
-- waited for.  What takes hours or days takes that much longer: failing_since and told_failing_at of a lane, an old secret's last moment,
-- what is kept for so long.  Permits and marks (sigsentry.permit_take, courier.epoch) pass over a time to come by themselves.
-- Who comes second waits for the first one's rows, and then finds no such heart any more.  Rows are locked in the order of all couriers.
CREATE OR REPLACE FUNCTION sigsentry.clock_back() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_back interval;
	v_lease interval;
	v_ats tid[];
BEGIN
	SELECT max(h.beat_at) - now(), make_interval(secs => max(h.lease_s))
	  INTO v_back, v_lease
	  FROM (SELECT c.beat_at, c.lease_s FROM sigsentry.courier c
	         WHERE c.beat_at > now() + interval '10 seconds'
	         ORDER BY c.id FOR UPDATE) h;
	IF v_back IS NULL THEN
		RETURN;
	END IF;

	v_ats := ARRAY (SELECT q.ctid FROM sigsentry.queue q
	                 WHERE q.wake_at > now()
	                 ORDER BY q.tenant_id, q.id FOR UPDATE);
	UPDATE sigsentry.queue AS q
	   SET wake_at = CASE WHEN q.claim_id IS NULL THEN q.wake_at - v_back ELSE least(q.wake_at, now() + v_lease) END
	 WHERE q.ctid = ANY (v_ats);

	v_ats := ARRAY (SELECT l.ctid FROM sigsentry.lane l
	                 WHERE l.pause_until > now() OR (l.due_at > now() AND l.due_at < 'infinity')
	                 ORDER BY l.tenant_id, l.channel_id FOR UPDATE);
	UPDATE sigsentry.lane AS l
	   SET pause_until = CASE WHEN l.pause_until > now() THEN l.pause_until - v_back ELSE l.pause_until END,
	       due_at = CASE WHEN l.due_at > now() THEN l.due_at - v_back ELSE l.due_at END
	 WHERE l.ctid = ANY (v_ats);

	-- One that is locked is being taken, or is done.
	v_ats := ARRAY (SELECT n.ctid FROM sigsentry.operator_notice n WHERE n.taken_at > now() FOR UPDATE SKIP LOCKED);
	UPDATE sigsentry.operator_notice AS n SET taken_at = n.taken_at - v_back WHERE n.ctid = ANY (v_ats);

	UPDATE sigsentry.courier AS c SET beat_at = c.beat_at - v_back WHERE c.beat_at > now();
END
$$;
