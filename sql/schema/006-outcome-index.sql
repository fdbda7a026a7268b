-- What did not arrive is looked for among all that did.
-- ONLY, since an index over all of a long history would keep couriers from writing to it for as long as it takes.  Weeks that hold
-- little, as those to come do, have it at once, and those that are made later have it from the beginning (sigsentry.partitions_make).
-- The others are looked through as before until they go with their time.

CREATE INDEX delivery_outcome_idx ON ONLY sigsentry.delivery (channel_id, status, id) WHERE status <> 'delivered';
DO $$
DECLARE
	v_week text;
BEGIN
	FOR v_week IN
		SELECT c.relname
		  FROM pg_inherits i
		  JOIN pg_class c ON c.oid = i.inhrelid
		 WHERE i.inhparent = 'sigsentry.delivery'::regclass AND pg_relation_size(c.oid) < 32 * 1024 * 1024
	LOOP
		-- with the name that it would have if it had been made with the table
		EXECUTE format('CREATE INDEX %I ON sigsentry.%I (channel_id, status, id) WHERE status <> ''delivered''',
		               v_week || '_channel_id_status_id_idx', v_week);
		EXECUTE format('ALTER INDEX sigsentry.delivery_outcome_idx ATTACH PARTITION sigsentry.%I', v_week || '_channel_id_status_id_idx');
	END LOOP;
END
$$;
