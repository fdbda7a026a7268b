-- api.held: is the queue held?
-- Returns one row: held_at, why; NULL both: it is not.
-- Tables: reads hold.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.held(OUT held_at text, OUT why text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sigsentry.rfc3339(h.held_at), h.why FROM (SELECT 1) one LEFT JOIN sigsentry.hold h ON h.id = 1
$$;
