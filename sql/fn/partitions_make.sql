-- sigsentry.partitions_make: make the weekly partitions of the history, from this week on.
-- p_days  how far ahead
-- Returns how many were made.
-- Tables: makes partitions of event, delivery and attempt.
-- Role: sigsentry_owner (sigsentryctl migrate); courier.housekeep calls it.
CREATE OR REPLACE FUNCTION sigsentry.partitions_make(p_days integer) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_week timestamptz;
	v_table text;
	v_name text;
	v_made integer := 0;
BEGIN
	-- Ids made by a clock that is a little behind must find their partition, too: one week back.
	FOR v_week IN
		SELECT generate_series(date_trunc('week', now(), 'UTC') - interval '7 days', now() + make_interval(days => p_days), interval '7 days')
	LOOP
		FOREACH v_table IN ARRAY ARRAY['event', 'delivery', 'attempt'] LOOP
			v_name := v_table || '_' || to_char(v_week AT TIME ZONE 'UTC', 'YYYYMMDD');
			CONTINUE WHEN to_regclass('sigsentry.' || v_name) IS NOT NULL;
			-- Made, then attached: PARTITION OF would wait for every producer's open transaction, and all others behind it.
			EXECUTE format('CREATE TABLE sigsentry.%I (LIKE sigsentry.%I INCLUDING ALL)', v_name, v_table);
			EXECUTE format('ALTER TABLE sigsentry.%I ATTACH PARTITION sigsentry.%I FOR VALUES FROM (%L) TO (%L)', v_table, v_name,
			               sigsentry.uuid_v7_floor(v_week), sigsentry.uuid_v7_floor(v_week + interval '7 days'));
			v_made := v_made + 1;
		END LOOP;
	END LOOP;
	RETURN v_made;
END
$$;
