-- sigsentry.permit_take: take a block of permits for a key out of the running minute, or only look.
-- p_tenant, p_key  the key
-- p_kind           read or write
-- p_limit          of a minute; not NULL
-- p_want           how many to take; 0 only looks.  Fewer are given where fewer are left, and none where none is.
-- Returns one row: granted, remaining (what is left for anybody after that), reset_s (when the minute ends, Unix seconds).
-- Tables: writes permit.
-- Role: none; api.admit calls it, in a transaction that does nothing else (design §3).
CREATE OR REPLACE FUNCTION sigsentry.permit_take(
	p_tenant uuid, p_key uuid, p_kind text, p_limit integer, p_want integer,
	OUT granted integer, OUT remaining integer, OUT reset_s bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_now timestamptz := date_trunc('minute', clock_timestamp(), 'UTC');
	v_minute timestamptz;
	v_taken integer;
BEGIN
	IF p_want > 0 THEN
		-- Whoever waited for the row may come with the minute before: it takes from the row's own.  A minute further ahead
		-- is of a clock that has been set back since, and counts no more.
		INSERT INTO sigsentry.permit AS p (tenant_id, key_id, kind, minute, taken, granted)
		VALUES (p_tenant, p_key, p_kind, v_now, least(p_want, p_limit), least(p_want, p_limit))
		    ON CONFLICT ON CONSTRAINT permit_pkey DO UPDATE
		   SET minute = CASE WHEN p.minute > excluded.minute + interval '1 minute' THEN excluded.minute
		                     ELSE greatest(p.minute, excluded.minute) END,
		       taken = CASE WHEN p.minute < excluded.minute OR p.minute > excluded.minute + interval '1 minute' THEN excluded.taken
		                    ELSE p.taken + least(p_want, p_limit - p.taken) END,
		       granted = CASE WHEN p.minute < excluded.minute OR p.minute > excluded.minute + interval '1 minute' THEN excluded.granted
		                      ELSE least(p_want, p_limit - p.taken) END
		 WHERE p.minute < excluded.minute OR p.minute > excluded.minute + interval '1 minute' OR p.taken < p_limit
		RETURNING p.granted, p.taken, p.minute INTO permit_take.granted, v_taken, v_minute;
	END IF;
	IF permit_take.granted IS NULL THEN
		permit_take.granted := 0;
		SELECT p.taken, p.minute
		  INTO v_taken, v_minute
		  FROM sigsentry.permit p
		 WHERE p.tenant_id = p_tenant AND p.key_id = p_key AND p.kind = p_kind AND p.minute BETWEEN v_now AND v_now + interval '1 minute';
		IF NOT FOUND THEN
			v_taken := 0;
			v_minute := v_now;
		END IF;
	END IF;
	remaining := greatest(p_limit - v_taken, 0);
	reset_s := date_part('epoch', v_minute)::bigint + 60;
END
$$;
