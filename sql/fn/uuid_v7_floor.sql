-- sigsentry.uuid_v7_floor: the smallest version 7 UUID of a time; its version and variant bits are left out, so that it is
-- a bound for ids of any version.
-- p_at  the time
-- Returns the bound.
-- Tables: none.
-- Role: none.
CREATE OR REPLACE FUNCTION sigsentry.uuid_v7_floor(p_at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
	SELECT rpad(lpad(to_hex((date_part('epoch', p_at) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
