-- admin.keyring_retire: from its commit on nothing new is stored that is sealed to this key.
-- p_actor  the local user
-- p_key    the key's id in hex
-- Returns whether this was the first time.  What is stored already stays: the caller has looked (admin.keyring_counts) and looks
-- again behind admin.keyring_settle.
-- Tables: writes retired_key, audit.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.keyring_retire(p_actor text, p_key text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO sigsentry.retired_key (id) VALUES (decode(p_key, 'hex')) ON CONFLICT ON CONSTRAINT retired_key_pkey DO NOTHING;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM sigsentry.audit_by_user(p_actor, NULL, 'keyring.retire', p_key, NULL, NULL);
	RETURN true;
END
$$;
