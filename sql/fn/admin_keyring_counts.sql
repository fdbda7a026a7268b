-- admin.keyring_counts: how many stored values each key is needed for.
-- Returns one row for each key: its id in hex, the values that are sealed to it, and how many of them are replaced ones that go on
-- to sign for a while.
-- Tables: reads credential, all of it.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.keyring_counts()
RETURNS TABLE ("id" text, "values" bigint, "previous" bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT encode(v.id, 'hex'), count(*), count(*) FILTER (WHERE v.is_previous)
	  FROM (SELECT substring(f.sealed FROM 2 FOR 8) AS id, false AS is_previous FROM sigsentry.credential f
	         UNION ALL
	        SELECT substring(f.previous_sealed FROM 2 FOR 8), true FROM sigsentry.credential f WHERE f.previous_sealed IS NOT NULL) v
	 GROUP BY v.id
	 ORDER BY v.id
$$;
