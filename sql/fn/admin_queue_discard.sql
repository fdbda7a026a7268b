-- admin.queue_discard: end what waits of the events that were published before a time, as cancelled; a batch of it.
-- p_before  the time
-- p_after   only what stands behind this event in the order of ids: where the batch before ended; NULL for the first
-- p_batch   how many deliveries to look at, at the most
-- p_is_dry  count only
-- Returns one row: status (ok, not_held); seen, how many were looked at; discarded, how many were ended, or would be; next, the event
-- where the next batch begins (NULL: this was the last).  The queue must be held, but for a count, so that nothing goes meanwhile.  What a
-- courier still sends is passed over, and ends by itself.
-- Tables: reads hold, event; writes queue, delivery, lane; those of sigsentry.lane_hold.
-- Role: sigsentry_owner.
-- All deliveries of an event are of one batch, which may be larger for it: else the next one would not know where to begin.
-- Where one goes whose courier is gone, there is room in its lane again, for which what is ready there waits.
CREATE OR REPLACE FUNCTION admin.queue_discard(
	p_before timestamptz, p_after uuid, p_batch integer, p_is_dry boolean,
	OUT status text, OUT "seen" bigint, OUT "discarded" bigint, OUT "next" uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_after uuid := coalesce(p_after, '00000000-0000-0000-0000-000000000000');
	v_last uuid;
	v_ats tid[];
	v_tenants uuid[];
	v_channels uuid[];
BEGIN
	"seen" := 0;
	"discarded" := 0;
	IF NOT p_is_dry AND NOT EXISTS (SELECT 1 FROM sigsentry.hold h WHERE h.id = 1 AND h.held_at IS NOT NULL) THEN
		status := 'not_held';
		RETURN;
	END IF;
	status := 'ok';
	SELECT q.event_id INTO v_last FROM sigsentry.queue q WHERE q.event_id > v_after ORDER BY q.event_id OFFSET p_batch - 1 LIMIT 1;
	"next" := v_last;
	v_last := coalesce(v_last, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
	SELECT count(*) INTO "seen" FROM sigsentry.queue q WHERE q.event_id > v_after AND q.event_id <= v_last;
	-- An event's own partition is found by its id; there is none without its event, for as long as it waits.
	IF p_is_dry THEN
		SELECT count(*) INTO "discarded"
		  FROM sigsentry.queue q
		 CROSS JOIN LATERAL (SELECT FROM sigsentry.event e
		                      WHERE e.tenant_id = q.tenant_id AND e.id = q.event_id AND e.accepted_at < p_before
		                      LIMIT 1) e
		 WHERE q.event_id > v_after AND q.event_id <= v_last AND (q.claim_id IS NULL OR q.wake_at <= now());
		RETURN;
	END IF;
	v_ats := ARRAY (SELECT q.ctid
	                  FROM sigsentry.queue q
	                 CROSS JOIN LATERAL (SELECT FROM sigsentry.event e
	                                      WHERE e.tenant_id = q.tenant_id AND e.id = q.event_id AND e.accepted_at < p_before
	                                      LIMIT 1) e
	                 WHERE q.event_id > v_after AND q.event_id <= v_last AND (q.claim_id IS NULL OR q.wake_at <= now())
	                   FOR UPDATE OF q SKIP LOCKED);
	"discarded" := cardinality(v_ats);
	WITH ended AS (
		DELETE FROM sigsentry.queue q
		 WHERE q.ctid = ANY (v_ats)
		RETURNING q.*
	), kept AS (
		INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at,
		                                last_status_code, last_error, progress)
		SELECT e.tenant_id, e.id, e.channel_id, e.event_id, 'cancelled', e.is_test, e.attempts, e.created_at, now(), e.last_status_code,
		       format('discarded by an admin, with all that was published before %s', sigsentry.rfc3339(p_before)), e.progress
		  FROM ended e
	)
	SELECT array_agg(l.tenant_id), array_agg(l.channel_id) INTO v_tenants, v_channels
	  FROM (SELECT DISTINCT e.tenant_id, e.channel_id FROM ended e WHERE e.claim_id IS NOT NULL) l;
	v_ats := sigsentry.lane_hold(v_tenants, v_channels);
	UPDATE sigsentry.lane AS l
	   SET due_at = greatest(now(), l.pause_until)
	 WHERE l.ctid = ANY (v_ats) AND l.due_at > greatest(now(), l.pause_until);
END
$$;
