-- courier.history_drop: drop the weeks of the history that are older than it is kept.
-- p_history_s  how long it is kept, in seconds; 0 is for ever
-- Returns how many partitions were dropped.  A week that something in the queue still belongs to stays, and so does one that
-- somebody is using: call again later.
-- Tables: drops partitions of event, delivery and attempt; reads queue.
-- Role: sigsentry_courier.
-- DETACH CONCURRENTLY cannot run in a function, and the courier owns no table.  So a partition is dropped in one step, which
-- needs the whole table for an instant: it is waited for no longer than 50 ms, since all who come later wait behind.
CREATE OR REPLACE FUNCTION courier.history_drop(p_history_s integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
	v_one record;
	v_dropped integer := 0;
BEGIN
	-- "sigsenth" in ASCII, as courier.housekeep
	IF p_history_s <= 0 OR NOT pg_try_advisory_xact_lock(8316291932236969064) THEN
		RETURN 0;
	END IF;
	FOR v_one IN
		SELECT c.relname AS name, p.relname AS parent, w.until
		  FROM pg_inherits i
		  JOIN pg_class p ON p.oid = i.inhparent
		  JOIN pg_namespace n ON n.oid = p.relnamespace
		  JOIN pg_class c ON c.oid = i.inhrelid
		 CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '7 days' AS until) w
		 WHERE n.nspname = 'sigsentry' AND p.relname IN ('event', 'delivery', 'attempt')
		   -- A week's events go last: the next week's first deliveries may be theirs.
		   AND w.until + CASE p.relname WHEN 'event' THEN interval '7 days' ELSE interval '0' END
		       <= now() - make_interval(secs => p_history_s)
		 ORDER BY w.until, c.relname
	LOOP
		EXIT WHEN sigsentry.queue_oldest() < sigsentry.uuid_v7_floor(v_one.until);
		BEGIN
			-- Nobody may queue anything of this week again; and somebody may have, a moment ago.
			EXECUTE format('LOCK TABLE ONLY sigsentry.%I, ONLY sigsentry.%I IN ACCESS EXCLUSIVE MODE', v_one.parent, v_one.name);
			EXIT WHEN sigsentry.queue_oldest() < sigsentry.uuid_v7_floor(v_one.until);
			EXECUTE format('DROP TABLE sigsentry.%I', v_one.name);
			v_dropped := v_dropped + 1;
		EXCEPTION WHEN lock_not_available THEN
			EXIT;
		END;
	END LOOP;
	RETURN v_dropped;
END
$$;
