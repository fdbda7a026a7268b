-- api.metrics: the counts that the courier makes once a minute.
-- Returns rows: name, label (as Prometheus writes them, without braces), value; ordered so that each name's stand together.
-- Tables: reads gauge, migration.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.metrics() RETURNS TABLE (name text, label text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT g.name, g.label, g.value FROM sigsentry.gauge g
	 UNION ALL
	SELECT 'sigsentry_schema_version', '', max(m.version) FROM sigsentry.migration m
	 ORDER BY 1, 2
$$;
