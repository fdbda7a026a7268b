-- api.ready: which schema is this, can it be written to, and is what it accepts delivered?
-- Returns one row: version, the highest applied migration (NULL: none); writable; overdue_s, as sigsentry.queue_overdue; beat_s,
-- seconds since the last beat of a courier's heart (NULL: there was none within a day, but of couriers that were told to stop);
-- is_alive, whether one has come within three leases; local_type, the type of channels whose deliveries failed by a fault of our own within the last 90 seconds (they are
-- tried again each minute until it is mended; NULL: none).
-- What is more than ten seconds ahead of now is of a clock that has been set back since, and counts for nothing.
-- Tables: reads migration, courier, tally_attempt; those of sigsentry.queue_overdue.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.ready(
	OUT version integer, OUT writable boolean, OUT overdue_s integer, OUT beat_s integer, OUT is_alive boolean,
	OUT local_type text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (SELECT max(m.version) FROM sigsentry.migration m),
	       NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off',
	       sigsentry.queue_overdue(),
	       CASE WHEN c.beat_at IS NOT NULL THEN greatest(date_part('epoch', now() - c.beat_at), 0)::integer END,
	       coalesce(c.is_alive, false),
	       (SELECT t.type FROM sigsentry.tally_attempt t
	         WHERE t.outcome = 'local' AND t.last_at > now() - interval '90 seconds' AND t.last_at <= now() + interval '10 seconds'
	         ORDER BY t.last_at DESC LIMIT 1)
	  FROM (SELECT max(c.beat_at) AS beat_at, bool_or(c.beat_at > now() - make_interval(secs => 3 * c.lease_s)) AS is_alive
	          FROM sigsentry.courier c
	         WHERE c.beat_at <= now() + interval '10 seconds') c
$$;
