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
-- Returns how many were written.
-- Tables: writes queue, lane, attempt, delivery; those of sigsentry.channel_notice and sigsentry.channel_disable.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.record(
	p_tenants uuid[], p_ids uuid[], p_claims uuid[], p_outcomes text[], p_waits_ms bigint[], p_pauses_ms bigint[],
	p_started_ms bigint[], p_durations_ms integer[], p_codes integer[], p_errors text[], p_excerpts text[],
	p_progress text[], p_mails integer[], p_disable_s integer)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_count integer;
	v_one record;
BEGIN
	WITH told AS (
		SELECT * FROM unnest(p_tenants, p_ids, p_claims, p_outcomes, p_waits_ms, p_pauses_ms, p_started_ms, p_durations_ms,
		                     p_codes, p_errors, p_excerpts, p_progress)
		         AS t (tenant_id, id, claim_id, outcome, wait_ms, pause_ms, started_ms, duration_ms, code, error, excerpt, progress)
	), waiting AS (
		UPDATE sigsentry.queue AS q
		   SET claim_id = NULL, wake_at = now() + make_interval(secs => t.wait_ms / 1000.0), tries = q.tries + 1,
		       attempts = q.attempts + (t.outcome <> 'local')::integer,
		       last_status_code = t.code, last_error = t.error, progress = t.progress
		  FROM told t
		 WHERE q.tenant_id = t.tenant_id AND q.id = t.id AND q.claim_id = t.claim_id AND t.wait_ms IS NOT NULL
		RETURNING q.tenant_id, q.id, q.channel_id, q.tries, t.outcome, t.pause_ms, t.started_ms, t.duration_ms, t.code, t.error, t.excerpt
	), ended AS (
		DELETE FROM sigsentry.queue q
		 USING told t
		 WHERE q.tenant_id = t.tenant_id AND q.id = t.id AND q.claim_id = t.claim_id AND t.wait_ms IS NULL
		RETURNING q.tenant_id, q.id, q.channel_id, q.event_id, q.is_test, q.created_at, q.tries + 1 AS tries,
		          q.attempts + (t.outcome <> 'local')::integer AS attempts, t.outcome, t.pause_ms, t.started_ms, t.duration_ms,
		          t.code, t.error, t.excerpt
	), finished AS (
		INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at,
		                                last_status_code, last_error)
		SELECT e.tenant_id, e.id, e.channel_id, e.event_id, CASE e.outcome WHEN 'ok' THEN 'delivered' ELSE 'failed' END, e.is_test,
		       e.attempts, e.created_at, now(), e.code, e.error
		  FROM ended e
	), both_kinds AS (
		SELECT w.tenant_id, w.id, w.channel_id, w.tries, w.outcome, w.pause_ms, w.started_ms, w.duration_ms, w.code, w.error, w.excerpt, false AS is_end
		  FROM waiting w
		 UNION ALL
		SELECT e.tenant_id, e.id, e.channel_id, e.tries, e.outcome, e.pause_ms, e.started_ms, e.duration_ms, e.code, e.error, e.excerpt, true
		  FROM ended e
	), tried AS (
		INSERT INTO sigsentry.attempt (tenant_id, delivery_id, number, started_at, duration_ms, outcome, status_code, error, excerpt)
		SELECT b.tenant_id, b.id, b.tries, to_timestamp(b.started_ms / 1000.0), b.duration_ms, b.outcome, b.code, b.error, b.excerpt
		  FROM both_kinds b
	), by_lane AS (
		SELECT b.tenant_id, b.channel_id, max(b.pause_ms) AS pause_ms,
		       bool_or(b.outcome = 'ok') AS any_ok, bool_or(b.outcome IN ('retry', 'refused', 'gone')) AS any_failed
		  FROM both_kinds b
		 GROUP BY 1, 2
		 ORDER BY 1, 2
	), lanes AS (
		-- There is room again: the lane is due as soon as its pause allows.
		UPDATE sigsentry.lane AS l
		   SET pause_until = CASE WHEN n.pause_ms > 0 THEN greatest(l.pause_until, now() + make_interval(secs => n.pause_ms / 1000.0))
		                          ELSE l.pause_until END,
		       due_at = greatest(l.pause_until, now(), CASE WHEN n.pause_ms > 0 THEN now() + make_interval(secs => n.pause_ms / 1000.0) END),
		       is_told = l.is_told AND NOT n.any_ok,
		       is_failing = CASE WHEN n.any_ok THEN false WHEN n.any_failed THEN true ELSE l.is_failing END,
		       failing_since = CASE WHEN n.any_ok THEN NULL WHEN n.any_failed THEN coalesce(l.failing_since, now()) ELSE l.failing_since END,
		       last_delivered_at = CASE WHEN n.any_ok THEN now() ELSE l.last_delivered_at END
		  FROM by_lane n
		 WHERE l.tenant_id = n.tenant_id AND l.channel_id = n.channel_id
	)
	SELECT count(*) INTO v_count FROM both_kinds;

	INSERT INTO sigsentry.mail_day AS m (tenant_id, day, sent)
	SELECT t.tenant_id, (now() AT TIME ZONE 'UTC')::date, sum(t.n)
	  FROM unnest(p_tenants, p_mails) AS t (tenant_id, n)
	 WHERE t.n > 0
	 GROUP BY t.tenant_id
	 ORDER BY t.tenant_id
	    ON CONFLICT ON CONSTRAINT mail_day_pkey DO UPDATE SET sent = m.sent + excluded.sent;

	-- A delivery that has ended as failed: others hear of it, once until the next success.
	FOR v_one IN
		SELECT DISTINCT ON (d.tenant_id, d.channel_id) d.tenant_id, d.channel_id, e.project_id, d.last_error
		  FROM unnest(p_tenants, p_ids, p_outcomes) AS t (tenant_id, id, outcome)
		  JOIN sigsentry.delivery d ON d.tenant_id = t.tenant_id AND d.id = t.id
		  JOIN sigsentry.event e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
		 WHERE t.outcome <> 'ok' AND d.status = 'failed' AND d.finished_at = now() AND NOT d.is_test AND e.name NOT LIKE 'channel.%'
		 ORDER BY d.tenant_id, d.channel_id
	LOOP
		PERFORM sigsentry.channel_notice(v_one.tenant_id, v_one.channel_id, v_one.project_id, 'channel.failing', v_one.last_error);
	END LOOP;

	FOR v_one IN
		SELECT DISTINCT ON (t.tenant_id, q.channel_id) t.tenant_id, q.channel_id, e.project_id, t.outcome, t.error
		  FROM unnest(p_tenants, p_ids, p_outcomes, p_errors) AS t (tenant_id, id, outcome, error)
		 CROSS JOIN LATERAL (SELECT a.channel_id, a.event_id FROM sigsentry.delivery_all a
		                      WHERE a.tenant_id = t.tenant_id AND a.id = t.id) q
		  JOIN sigsentry.event e ON e.tenant_id = t.tenant_id AND e.id = q.event_id
		  LEFT JOIN sigsentry.lane l ON l.tenant_id = t.tenant_id AND l.channel_id = q.channel_id
		 WHERE t.outcome = 'gone'
		    OR (t.outcome IN ('retry', 'refused') AND p_disable_s > 0
		        AND l.failing_since <= now() - make_interval(secs => p_disable_s))
		 ORDER BY t.tenant_id, q.channel_id, t.outcome = 'gone' DESC
	LOOP
		PERFORM sigsentry.channel_disable(v_one.tenant_id, v_one.channel_id, v_one.project_id,
		        CASE v_one.outcome WHEN 'gone' THEN 'gone' ELSE 'failing' END,
		        CASE v_one.outcome WHEN 'gone' THEN 'The destination said that it is gone for good: '
		             ELSE 'Nothing but failures for ' || p_disable_s / 3600 || ' hours; the last: ' END || coalesce(v_one.error, ''));
	END LOOP;
	RETURN v_count;
END
$$;
