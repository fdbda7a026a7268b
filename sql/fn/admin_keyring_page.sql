-- admin.keyring_page: the next sealed values, in the order of their keys.
-- p_tenant, p_channel, p_field  the credential after which to go on; NULLs: from the first
-- p_key    values that are sealed to this key, in hex, are left out; NULL: none is
-- p_limit  credentials to look at, at the most
-- Returns one row for each credential that was looked at, so that the last one says where to go on; sealed and previous, in hex,
-- are NULL where they are left out.
-- Tables: reads credential, channel.
-- Role: sigsentry_owner.
-- Locks nothing: what is written is held against what was read (admin.keyring_reseal).
CREATE OR REPLACE FUNCTION admin.keyring_page(p_tenant uuid, p_channel uuid, p_field text, p_key text, p_limit integer)
RETURNS TABLE (tenant_id uuid, channel_id uuid, field text, type text, sealed text, previous text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	v_key bytea := decode(p_key, 'hex');
BEGIN
	RETURN QUERY
	SELECT f.tenant_id, f.channel_id, f.field, c.type::text,
	       CASE WHEN substring(f.sealed FROM 2 FOR 8) IS DISTINCT FROM v_key THEN encode(f.sealed, 'hex') END,
	       CASE WHEN substring(f.previous_sealed FROM 2 FOR 8) IS DISTINCT FROM v_key THEN encode(f.previous_sealed, 'hex') END
	  FROM (SELECT o.*
	          FROM sigsentry.credential o
	         WHERE (o.tenant_id, o.channel_id, o.field) > (coalesce(p_tenant, '00000000-0000-0000-0000-000000000000'),
	                                                       coalesce(p_channel, '00000000-0000-0000-0000-000000000000'),
	                                                       coalesce(p_field, ''))
	         ORDER BY o.tenant_id, o.channel_id, o.field
	         LIMIT p_limit) f
	  JOIN sigsentry.channel c ON c.tenant_id = f.tenant_id AND c.id = f.channel_id
	 ORDER BY f.tenant_id, f.channel_id, f.field;
END
$$;
