-- admin.keyring_settle: wait until nobody is at work who may not have seen the mark of admin.keyring_retire, which is committed.
-- Returns nothing.  Others that want to store credentials wait meanwhile, the session's lock_timeout at the most.
-- Tables: locks credential, and lets go of it at once.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.keyring_settle() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	LOCK TABLE sigsentry.credential IN SHARE MODE;
END
$$;
