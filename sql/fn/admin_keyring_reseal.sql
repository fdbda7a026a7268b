-- admin.keyring_reseal: put values that were sealed anew in place of the old ones, where those still stand there.
-- p_tenants, p_channels, p_fields  the credentials, each once
-- p_old, p_new  a value as it was read, and the same sealed anew; NULLs: it is left as it is
-- p_old_previous, p_new_previous  the same of the replaced value that goes on to sign beside it
-- Returns how many values were replaced.  The others were changed or deleted meanwhile, or somebody is at it: they are left alone.
-- Tables: writes credential; reads retired_key.
-- Role: sigsentry_owner.
-- Never waits: a row that somebody holds is skipped, so that this cannot be part of a deadlock, in whatever order others lock.
-- A replaced hmacSecret may have moved from sealed to previous_sealed since it was read: it is found there, too.
CREATE OR REPLACE FUNCTION admin.keyring_reseal(
	p_tenants uuid[], p_channels uuid[], p_fields text[], p_old bytea[], p_new bytea[], p_old_previous bytea[], p_new_previous bytea[])
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
	v_ats tid[];
	v_count integer;
BEGIN
	v_ats := (SELECT array_agg(h.at ORDER BY t.nth)
	            FROM unnest(p_tenants, p_channels, p_fields) WITH ORDINALITY AS t (tenant_id, channel_id, field, nth)
	            LEFT JOIN LATERAL (SELECT o.ctid AS at
	                                 FROM sigsentry.credential o
	                                WHERE o.tenant_id = t.tenant_id AND o.channel_id = t.channel_id AND o.field = t.field
	                                  FOR NO KEY UPDATE SKIP LOCKED) h ON true);
	-- No two of the new values are the same, nor one that was there before: so they tell what was replaced.
	WITH put AS (
		UPDATE sigsentry.credential AS f
		   SET sealed = CASE f.sealed WHEN t.old THEN t.new ELSE f.sealed END,
		       previous_sealed = CASE f.previous_sealed WHEN t.old THEN t.new WHEN t.old_previous THEN t.new_previous
		                                                ELSE f.previous_sealed END
		  FROM unnest(v_ats, p_old, p_new, p_old_previous, p_new_previous) AS t (at, old, new, old_previous, new_previous)
		 WHERE f.ctid = t.at
		   AND (f.sealed = t.old OR f.previous_sealed = t.old OR f.previous_sealed = t.old_previous)
		RETURNING coalesce(f.sealed = t.new, false)::integer
		          + coalesce(f.previous_sealed = t.new OR f.previous_sealed = t.new_previous, false)::integer AS n
	)
	SELECT coalesce(sum(p.n), 0) INTO v_count FROM put p;
	PERFORM sigsentry.seal_check(p_new || p_new_previous);
	RETURN v_count;
END
$$;
