-- admin.keyring_note: put into the audit trail what is done to the keyring, whose files the database does not see.
-- p_actor   the local user
-- p_action  keyring.rotate or keyring.reseal
-- p_key     the key's id in hex
-- p_after   what is so now, without secrets
-- Returns nothing.
-- Tables: writes audit.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.keyring_note(p_actor text, p_action text, p_key text, p_after jsonb) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sigsentry.audit_by_user(p_actor, NULL, p_action, p_key, NULL, p_after)
$$;
