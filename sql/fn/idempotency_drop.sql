-- sigsentry.idempotency_drop: forget an Idempotency-Key that this transaction has noted: nothing was written after all.
-- p_tenant, p_key_id, p_key  as sigsentry.idempotency_take; p_key NULL does nothing
-- Returns nothing.
-- Tables: writes idempotency.
-- Role: none; the functions of schema api call it.
CREATE OR REPLACE FUNCTION sigsentry.idempotency_drop(p_tenant uuid, p_key_id uuid, p_key bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM sigsentry.idempotency i WHERE i.tenant_id = p_tenant AND i.key_id = p_key_id AND i.key_mac = p_key
$$;
