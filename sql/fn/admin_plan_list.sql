-- admin.plan_list: every plan, the smallest first.
-- Returns one row each; a limit that is NULL is unlimited.
-- Tables: reads plan.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.plan_list()
RETURNS TABLE ("name" text, "channelLimit" integer, "readsPerMinute" integer, "writesPerMinute" integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT l.name, l.channel_limit, l.reads_per_minute, l.writes_per_minute
	  FROM sigsentry.plan l
	 ORDER BY l.channel_limit NULLS LAST, l.writes_per_minute NULLS LAST, l.name;
END
$$;
