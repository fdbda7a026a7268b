-- api.key_retired: may nothing be sealed to this key any more?
-- p_id  its 8 bytes
-- Returns whether it was retired.
-- Tables: reads retired_key.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.key_retired(p_id bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM sigsentry.retired_key r WHERE r.id = p_id)
$$;
