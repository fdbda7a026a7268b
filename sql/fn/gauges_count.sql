-- sigsentry.gauges_count: make the counts of the metrics anew.
-- Returns nothing.
-- Tables: reads channel, api_key, queue, event; writes gauge.
-- Role: none; courier.housekeep calls it.
CREATE OR REPLACE FUNCTION sigsentry.gauges_count() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	WITH counted AS (
		SELECT 'sigsentry_channels' AS name, format('type="%s"', t.type) AS label, coalesce(c.n, 0) AS value
		  FROM unnest(ARRAY['slack', 'teams', 'discord', 'google_chat', 'webhook', 'email']) AS t (type)
		  LEFT JOIN (SELECT c.type::text, count(*) AS n FROM sigsentry.channel c GROUP BY 1) c ON c.type = t.type
		 UNION ALL
		SELECT 'sigsentry_api_keys', format('kind="%s"', t.kind), coalesce(k.n, 0)
		  FROM unnest(ARRAY['pub', 'secret', 'org']) AS t (kind)
		  LEFT JOIN (SELECT k.kind, count(*) AS n
		               FROM sigsentry.api_key k
		              WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
		              GROUP BY 1) k ON k.kind = t.kind
		 UNION ALL
		SELECT q.name, '', q.value
		  FROM (SELECT count(*) AS n, min(CASE WHEN q.wake_at > '-infinity' THEN q.wake_at ELSE q.created_at END) AS since
		          FROM sigsentry.queue q
		         WHERE q.wake_at IS NULL OR q.wake_at <= now()) d,
		       LATERAL (VALUES ('sigsentry_deliveries_due', d.n::double precision),
		                       ('sigsentry_oldest_due_seconds', coalesce(greatest(date_part('epoch', now() - d.since), 0), 0))) AS q (name, value)
		 UNION ALL
		SELECT 'sigsentry_events_unrouted_total', '', count(*) FROM sigsentry.event e WHERE e.deliveries = 0 AND e.severity < 4 AND e.name NOT LIKE 'channel.%'
		 UNION ALL
		SELECT 'sigsentry_counted_timestamp_seconds', '', date_part('epoch', now())
	)
	INSERT INTO sigsentry.gauge AS g (name, label, value)
	SELECT n.name, n.label, n.value FROM counted n
	    ON CONFLICT ON CONSTRAINT gauge_pkey DO UPDATE SET value = excluded.value
$$;
