-- admin.keyring_couriers: the couriers that may be at work, and whether each can open a key's values.
-- p_key  the key's id in hex
-- Returns one row each: as /readyz counts them, whose heart has beaten within three leases; who was told to stop, and did, is not
-- among them.  Whose last beat is ahead of now, the clock having been set back, may be at work, and is.
-- Tables: reads courier.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.keyring_couriers(p_key text)
RETURNS TABLE ("courier" text, "hasKey" boolean, "lastBeatSeconds" integer)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.name, p_key = ANY (c.key_ids), greatest(date_part('epoch', now() - c.beat_at), 0)::integer
	  FROM sigsentry.courier c
	 WHERE c.beat_at > now() - make_interval(secs => 3 * c.lease_s)
	 ORDER BY c.name, c.id
$$;
