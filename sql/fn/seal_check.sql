-- sigsentry.seal_check: refuse values that are sealed to a retired key.
-- p_sealed  sealed values; NULLs among them are nothing
-- Returns nothing.  Raises 53S01, of the class of what a worker answers 503 for: its host has an old keyring_public.
-- Called after the values are written, in a statement of its own: who writes has the table's lock then, so that
-- admin.keyring_settle either waits for it, or is over, and then the mark of the key is seen here.
-- Tables: reads retired_key.
-- Role: none; the functions that store credentials call it.
CREATE OR REPLACE FUNCTION sigsentry.seal_check(p_sealed bytea[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_id bytea := (SELECT r.id
	                 FROM sigsentry.retired_key r
	                WHERE r.id IN (SELECT substring(s.sealed FROM 2 FOR 8) FROM unnest(p_sealed) AS s (sealed))
	                LIMIT 1);
BEGIN
	IF v_id IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = '53S01',
			MESSAGE = 'sealed to key ' || encode(v_id, 'hex') || ', which was retired',
			HINT = 'copy the current keyring.public to this host and reload sigsentry-api';
	END IF;
END
$$;
