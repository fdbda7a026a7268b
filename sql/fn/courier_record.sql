-- courier.record: write down how attempts have ended, a batch at a time.
-- p_tenants, p_ids, p_claims  the deliveries, and the claims under which they were sent; one with a stale claim is passed over
-- p_outcomes   ok, retry, refused, gone, local
-- p_waits_ms   until the next attempt; NULL: there is none, the delivery ends
-- p_pauses_ms  how long nothing more may go to the channel (its platform asked for it); 0 is none
-- p_started_ms, p_durations_ms  of the attempt; since 1970
-- p_codes, p_errors, p_excerpts  as table attempt's
-- p_progress   as table queue's
-- p_mails      messages that the relay took
-- p_disable_s  failures only for so long switch a channel off; 0 is never
-- p_courier    who made them, for the counters of /metrics; without it they count as those of couriers that are gone
-- Returns how many were written.
-- Tables: reads event, channel; writes queue, lane, attempt, delivery, tally_attempt, tally_delivery; those of
-- sigsentry.channel_hold, sigsentry.queue_hold, sigsentry.lane_hold, sigsentry.mail_count, sigsentry.channel_notice,
-- sigsentry.channel_disable and sigsentry.queue_cancel.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.record(
	p_tenants uuid[], p_ids uuid[], p_claims uuid[], p_outcomes text[], p_waits_ms bigint[], p_pauses_ms bigint[],
	p_started_ms bigint[], p_durations_ms integer[], p_codes integer[], p_errors text[], p_excerpts text[],
	p_progress text[], p_mails integer[], p_disable_s integer,
	p_courier uuid DEFAULT '00000000-0000-0000-0000-000000000000')
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_count integer;
	v_failed jsonb;
	v_one record;
	v_ats tid[];
	v_tenants uuid[]; -- of the lanes, and what is told of each
	v_channels uuid[];
	v_pauses bigint[];
	v_slow boolean[];
	v_ok boolean[];
	v_bad boolean[];
BEGIN
	-- Couriers lock channels before rows of the queue before lanes, each kind in the order of its keys; only a channel that may
	-- have to be switched off is locked at all.
	IF p_outcomes && ARRAY['gone', 'retry', 'refused'] THEN
		PERFORM sigsentry.channel_hold(p_tenants, p_ids, p_claims, p_outcomes, p_disable_s);
	END IF;
	v_ats := sigsentry.queue_hold(p_tenants, p_ids, p_claims);
	WITH told AS MATERIALIZED (
		SELECT t.*
		  FROM unnest(p_tenants, p_ids, p_claims, p_outcomes, p_waits_ms, p_pauses_ms, p_started_ms, p_durations_ms,
		              p_codes, p_errors, p_excerpts, p_progress, v_ats)
		         AS t (tenant_id, id, claim_id, outcome, wait_ms, pause_ms, started_ms, duration_ms, code, error, excerpt, progress, at)
		 WHERE t.at IS NOT NULL
	), waiting AS (
		UPDATE sigsentry.queue AS q
		   SET claim_id = NULL, wake_at = now() + make_interval(secs => t.wait_ms / 1000.0), tries = q.tries + 1,
		       attempts = q.attempts + (t.outcome <> 'local')::integer,
		       last_status_code = t.code, last_error = t.error, progress = t.progress
		  FROM told t
		 WHERE q.ctid = t.at AND t.wait_ms IS NOT NULL
		RETURNING q.tenant_id, q.id, q.channel_id, q.event_id, q.is_test, q.tries, t.outcome, t.pause_ms, t.started_ms, t.duration_ms, t.code, t.error, t.excerpt
	), ended AS (
		DELETE FROM sigsentry.queue q
		 USING told t
		 WHERE q.ctid = t.at AND t.wait_ms IS NULL
		RETURNING q.tenant_id, q.id, q.channel_id, q.event_id, q.is_test, q.created_at, q.tries + 1 AS tries,
		          q.attempts + (t.outcome <> 'local')::integer AS attempts, t.outcome, t.pause_ms, t.started_ms, t.duration_ms,
		          t.code, t.error, t.excerpt, t.progress
	), finished AS (
		INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at,
		                                last_status_code, last_error, progress)
		SELECT e.tenant_id, e.id, e.channel_id, e.event_id, CASE e.outcome WHEN 'ok' THEN 'delivered' ELSE 'failed' END, e.is_test,
		       e.attempts, e.created_at, now(), e.code, e.error, CASE WHEN e.outcome <> 'ok' THEN e.progress END
		  FROM ended e
	), written AS (
		SELECT w.tenant_id, w.id, w.channel_id, w.event_id, w.is_test, w.tries, w.outcome, w.pause_ms, w.started_ms, w.duration_ms, w.code,
		       w.error, w.excerpt, false AS is_end
		  FROM waiting w
		 UNION ALL
		SELECT e.tenant_id, e.id, e.channel_id, e.event_id, e.is_test, e.tries, e.outcome, e.pause_ms, e.started_ms, e.duration_ms, e.code,
		       e.error, e.excerpt, true
		  FROM ended e
	), both_kinds AS MATERIALIZED (
		SELECT b.*, c.type::text AS type
		  FROM written b
		  LEFT JOIN LATERAL (SELECT o.type FROM sigsentry.channel o WHERE o.tenant_id = b.tenant_id AND o.id = b.channel_id LIMIT 1) c ON true
	), tried AS (
		INSERT INTO sigsentry.attempt (tenant_id, delivery_id, number, started_at, duration_ms, outcome, status_code, error, excerpt)
		SELECT b.tenant_id, b.id, b.tries, to_timestamp(b.started_ms / 1000.0), b.duration_ms, b.outcome, b.code, b.error, b.excerpt
		  FROM both_kinds b
	), by_lane AS (
		-- An e-mail takes as long as all of its recipients do.
		SELECT b.tenant_id, b.channel_id, max(b.pause_ms) AS pause_ms,
		       bool_or(b.outcome <> 'local' AND b.duration_ms >= 3000 AND NOT (b.outcome = 'ok' AND b.type = 'email')) AS is_slow,
		       bool_or(b.outcome = 'ok') AS any_ok, bool_or(b.outcome IN ('retry', 'refused', 'gone')) AS any_failed
		  FROM both_kinds b
		 WHERE b.type IS NOT NULL
		 GROUP BY 1, 2
		 ORDER BY 1, 2
	), counted AS (
		INSERT INTO sigsentry.tally_attempt AS t (courier_id, type, outcome, attempts, last_at)
		SELECT p_courier, b.type, b.outcome, count(*), now()
		  FROM both_kinds b
		 WHERE b.type IS NOT NULL
		 GROUP BY 2, 3
		 ORDER BY 2, 3
		    ON CONFLICT ON CONSTRAINT tally_attempt_pkey DO UPDATE
		   SET attempts = t.attempts + excluded.attempts, last_at = excluded.last_at
	), timed AS (
		INSERT INTO sigsentry.tally_delivery AS t (courier_id, le, deliveries, seconds)
		SELECT p_courier, h.le, count(*), sum(s.seconds)
		  FROM ended e
		 CROSS JOIN LATERAL (SELECT greatest(date_part('epoch', now() - e.created_at), 0) AS seconds) s
		 CROSS JOIN LATERAL (SELECT min(b.le) AS le FROM unnest(sigsentry.tally_bounds()) AS b (le) WHERE s.seconds <= b.le) h
		 WHERE e.outcome = 'ok'
		 GROUP BY 2
		 ORDER BY 2
		    ON CONFLICT ON CONSTRAINT tally_delivery_pkey DO UPDATE
		   SET deliveries = t.deliveries + excluded.deliveries, seconds = t.seconds + excluded.seconds
	)
	SELECT count(*), jsonb_agg(jsonb_build_object('tenant_id', b.tenant_id, 'id', b.id, 'channel_id', b.channel_id, 'event_id', b.event_id,
	                           'is_test', b.is_test, 'outcome', b.outcome, 'error', b.error, 'is_end', b.is_end))
	                 FILTER (WHERE b.outcome IN ('retry', 'refused', 'gone')),
	       ARRAY (SELECT n.tenant_id FROM by_lane n), ARRAY (SELECT n.channel_id FROM by_lane n), ARRAY (SELECT n.pause_ms FROM by_lane n),
	       ARRAY (SELECT n.is_slow FROM by_lane n), ARRAY (SELECT n.any_ok FROM by_lane n), ARRAY (SELECT n.any_failed FROM by_lane n)
	  INTO v_count, v_failed, v_tenants, v_channels, v_pauses, v_slow, v_ok, v_bad
	  FROM both_kinds b;
	PERFORM sigsentry.mail_count(p_tenants, p_mails, v_ats);

	-- There is room again: the lanes are due as soon as their pauses allow.
	v_ats := sigsentry.lane_hold(v_tenants, v_channels);
	UPDATE sigsentry.lane AS l
	   SET pause_until = CASE WHEN n.pause_ms > 0 THEN greatest(l.pause_until, now() + make_interval(secs => n.pause_ms / 1000.0))
	                          ELSE l.pause_until END,
	       due_at = greatest(l.pause_until, now(), CASE WHEN n.pause_ms > 0 THEN now() + make_interval(secs => n.pause_ms / 1000.0) END),
	       is_told = l.is_told AND NOT n.any_ok,
	       is_failing = CASE WHEN n.is_slow THEN true WHEN n.any_ok THEN false WHEN n.any_failed THEN true ELSE l.is_failing END,
	       failing_since = CASE WHEN n.any_ok THEN NULL WHEN n.any_failed THEN coalesce(l.failing_since, now()) ELSE l.failing_since END,
	       last_delivered_at = CASE WHEN n.any_ok THEN now() ELSE l.last_delivered_at END
	  FROM unnest(v_ats, v_pauses, v_slow, v_ok, v_bad) AS n (at, pause_ms, is_slow, any_ok, any_failed)
	 WHERE l.ctid = n.at;

	IF v_failed IS NULL THEN
		RETURN v_count;
	END IF;

	FOR v_one IN
		SELECT DISTINCT ON (f.tenant_id, f.channel_id) f.tenant_id, f.channel_id, e.project_id, f.outcome, f.error
		  FROM jsonb_to_recordset(v_failed)
		         AS f (tenant_id uuid, id uuid, channel_id uuid, event_id uuid, outcome text, error text)
		  JOIN sigsentry.event e ON e.tenant_id = f.tenant_id AND e.id = f.event_id
		  LEFT JOIN sigsentry.lane l ON l.tenant_id = f.tenant_id AND l.channel_id = f.channel_id
		 WHERE f.outcome = 'gone'
		    OR (p_disable_s > 0 AND l.failing_since <= now() - make_interval(secs => p_disable_s))
		 ORDER BY f.tenant_id, f.channel_id, f.outcome = 'gone' DESC, f.id
	LOOP
		PERFORM sigsentry.channel_disable(v_one.tenant_id, v_one.channel_id, v_one.project_id,
		        CASE v_one.outcome WHEN 'gone' THEN 'gone' ELSE 'failing' END,
		        CASE v_one.outcome WHEN 'gone' THEN 'The destination said that it is gone for good: '
		             ELSE 'Nothing but failures for ' || p_disable_s / 3600 || ' hours; the last: ' END || coalesce(v_one.error, 'no reason was given'));
	END LOOP;

	-- A delivery that has ended as failed: others hear of it, once until the next success; not of a channel that has just been
	-- switched off, which is told of as that.
	FOR v_one IN
		SELECT DISTINCT ON (f.tenant_id, f.channel_id) f.tenant_id, f.channel_id, e.project_id, f.error
		  FROM jsonb_to_recordset(v_failed)
		         AS f (tenant_id uuid, id uuid, channel_id uuid, event_id uuid, is_test boolean, error text, is_end boolean)
		  JOIN sigsentry.event e ON e.tenant_id = f.tenant_id AND e.id = f.event_id
		 WHERE f.is_end AND NOT f.is_test AND e.name NOT LIKE 'channel.%'
		 ORDER BY f.tenant_id, f.channel_id, f.id
	LOOP
		PERFORM sigsentry.channel_notice(v_one.tenant_id, v_one.channel_id, v_one.project_id, 'channel.failing', v_one.error);
	END LOOP;

	-- What was under way when its channel was switched off waits for nothing.
	PERFORM sigsentry.queue_cancel(c.tenant_id, c.id, 'the channel was switched off')
	   FROM (SELECT DISTINCT f.tenant_id, f.channel_id
	           FROM jsonb_to_recordset(v_failed) AS f (tenant_id uuid, channel_id uuid, is_end boolean)
	          WHERE NOT f.is_end) w
	   JOIN sigsentry.channel c ON c.tenant_id = w.tenant_id AND c.id = w.channel_id
	  WHERE NOT c.is_active;
	RETURN v_count;
END
$$;
