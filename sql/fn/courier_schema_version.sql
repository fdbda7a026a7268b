-- courier.schema_version: which schema is this?  A courier asks it first on every connection, and does nothing on one that is too
-- old for it.  0.1.0 had no such function: where it is missing the schema is that old.
-- Returns the highest applied migration (NULL: none).
-- Tables: reads migration.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.schema_version() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT max(m.version) FROM sigsentry.migration m
$$;
