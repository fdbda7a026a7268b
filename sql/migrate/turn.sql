-- Before a file of sql/schema: is it this file's turn?  Whoever waited for the lock may find it applied; SQLSTATE 23505 tells
-- sigsentryctl that somebody else did it.
DO $$
DECLARE
	v_highest integer;
BEGIN
	SELECT coalesce(max(m.version), 0) INTO v_highest FROM sigsentry.migration m;
	IF v_highest >= :version THEN
		RAISE unique_violation USING MESSAGE = 'schema file :version has been applied already';
	ELSIF v_highest <> :version - 1 THEN
		RAISE EXCEPTION 'schema file :version cannot follow version %', v_highest;
	END IF;
END
$$;
