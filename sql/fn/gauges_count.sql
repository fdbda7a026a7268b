-- sigsentry.gauges_count: make the counts of the metrics anew.
-- Returns nothing.
-- Tables: reads channel, api_key; writes gauge.
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
		SELECT 'sigsentry_counted_timestamp_seconds', '', date_part('epoch', now())
	)
	INSERT INTO sigsentry.gauge AS g (name, label, value)
	SELECT n.name, n.label, n.value FROM counted n
	    ON CONFLICT ON CONSTRAINT gauge_pkey DO UPDATE SET value = excluded.value
$$;
