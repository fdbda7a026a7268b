-- api.metrics: the counts that the courier makes once a minute, those that are made with each batch of attempts, and how many
-- couriers are alive, which no courier would count when the last one has gone; and whether the queue is held.
-- Returns rows: name (of the family), suffix (behind the name, for a histogram), label (as Prometheus writes them, without
-- braces), value; ordered so that each family's stand together, a histogram's by its bounds.
-- Tables: reads gauge, migration, hold, courier, tally_attempt, tally_delivery.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.metrics() RETURNS TABLE (name text, suffix text, label text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	WITH slots AS (
		SELECT b.le, coalesce(sum(t.deliveries), 0) AS n, coalesce(sum(t.seconds), 0) AS seconds
		  FROM unnest(sigsentry.tally_bounds()) AS b (le)
		  LEFT JOIN sigsentry.tally_delivery t ON t.le = b.le
		 GROUP BY b.le
	)
	SELECT a.name, a.suffix, a.label, a.value
	  FROM (
		SELECT g.name, '' AS suffix, g.label, g.value, 0::double precision AS place FROM sigsentry.gauge g
		 UNION ALL
		-- It beats its heart three times in its lease; a short one is given more time.  A beat ahead of now is as in api.ready.
		SELECT 'sigsentry_couriers_alive', '', '', count(*), 0
		  FROM sigsentry.courier c WHERE c.beat_at > now() - make_interval(secs => greatest(c.lease_s, 60))
		   AND c.beat_at <= now() + interval '10 seconds'
		 UNION ALL
		SELECT 'sigsentry_schema_version', '', '', max(m.version), 0 FROM sigsentry.migration m
		 UNION ALL
		SELECT 'sigsentry_queue_held', '', '', count(h.held_at), 0 FROM sigsentry.hold h
		 UNION ALL
		SELECT 'sigsentry_attempts_total', '', format('type="%s",outcome="%s"', y.type, o.outcome), coalesce(sum(t.attempts), 0), 0
		  FROM unnest(ARRAY['slack', 'teams', 'discord', 'google_chat', 'webhook', 'email']) AS y (type)
		 CROSS JOIN unnest(ARRAY['ok', 'retry', 'refused', 'gone', 'local']) AS o (outcome)
		  LEFT JOIN sigsentry.tally_attempt t ON t.type = y.type AND t.outcome = o.outcome
		 GROUP BY y.type, o.outcome
		 UNION ALL
		SELECT 'sigsentry_delivery_seconds', '_bucket', format('le="%s"', CASE s.le WHEN 'Infinity' THEN '+Inf' ELSE s.le::text END),
		       sum(s.n) OVER (ORDER BY s.le), s.le
		  FROM slots s
		 UNION ALL
		SELECT 'sigsentry_delivery_seconds', '_sum', '', sum(s.seconds), 0 FROM slots s
		 UNION ALL
		SELECT 'sigsentry_delivery_seconds', '_count', '', sum(s.n), 0 FROM slots s
	       ) a
	 ORDER BY a.name, a.suffix, a.place, a.label
$$;
