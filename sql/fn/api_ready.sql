-- api.ready: which schema is this, and can it be written to?
-- Returns one row: version, the highest applied migration (NULL: none); writable.
-- Tables: reads migration.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.ready(OUT version integer, OUT writable boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (SELECT max(m.version) FROM sigsentry.migration m),
	       NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
$$;
