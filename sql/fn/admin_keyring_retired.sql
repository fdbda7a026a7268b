-- admin.keyring_retired: was this key retired?
-- p_key  its id in hex
-- Returns since when; NULL: it was not.
-- Tables: reads retired_key.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.keyring_retired(p_key text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sigsentry.rfc3339(r.retired_at) FROM sigsentry.retired_key r WHERE r.id = decode(p_key, 'hex')
$$;
