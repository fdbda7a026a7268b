-- Before the functions and grants, which are laid anew after every migration, in one transaction.
-- A newer program may have been here since this one looked: its functions must not be overwritten.
DO $$
BEGIN
	IF (SELECT max(m.version) FROM sigsentry.migration m) IS DISTINCT FROM :version THEN
		RAISE EXCEPTION 'the schema is no longer at version :version; another migration was faster';
	END IF;
END
$$;

-- Functions may name each other in any order of their files.
SET LOCAL check_function_bodies = off;
