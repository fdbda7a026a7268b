-- sigsentry.delivery_own: a project's own of a tenant-wide channel's deliveries, newest first.
-- p_tenant, p_channel, p_project  whose
-- p_status  only those of this status; NULL is all
-- p_before  only those older than this one
-- p_limit   how many at the most
-- Returns their ids; and seen_to, the last one that was looked at, where the search ended before the history did.
-- Tables: reads queue, delivery; those of sigsentry.event_is_of.
-- Role: none; api.delivery_list calls it.
-- A search looks at 10,000, a tenth of a second: of a channel that told of other projects' events for months, a project's own might be
-- looked for until the request's time is over.  Who goes on from there finds the next.
CREATE OR REPLACE FUNCTION sigsentry.delivery_own(
	p_tenant uuid, p_channel uuid, p_project uuid, p_status text, p_before uuid, p_limit integer,
	OUT ids uuid[], OUT seen_to uuid)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
DECLARE
	v_one record;
	v_seen integer := 0;
BEGIN
	ids := '{}';
	FOR v_one IN
		SELECT a.id, a.event_id, a.is_test, a.status
		  FROM sigsentry.delivery_all a
		 WHERE a.tenant_id = p_tenant AND a.channel_id = p_channel AND a.id < p_before
		 ORDER BY a.id DESC
	LOOP
		v_seen := v_seen + 1;
		IF (p_status IS NULL OR v_one.status = p_status)
		   AND (v_one.is_test OR sigsentry.event_is_of(p_tenant, v_one.event_id, p_project)) THEN
			ids := ids || v_one.id;
		END IF;
		EXIT WHEN cardinality(ids) >= p_limit;
		IF v_seen >= 10000 THEN
			seen_to := v_one.id;
			EXIT;
		END IF;
	END LOOP;
END
$$;
