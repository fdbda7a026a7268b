-- api.schema_version: which schema is this?
-- Returns the highest applied migration; NULL where there is none.
-- Tables: reads migration.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.schema_version() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT max(m.version) FROM sigsentry.migration m
$$;
