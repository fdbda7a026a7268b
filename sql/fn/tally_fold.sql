-- sigsentry.tally_fold: forget couriers that are gone; what they counted is added up under the id of zeroes.
-- p_age  who has not beaten its heart for so long is gone; so is one that nobody knows (its row was deleted by hand, or it never
--        came to its first beat) and that has counted nothing for so long
-- Returns nothing.
-- Tables: writes courier, tally_attempt, tally_delivery.
-- Role: none; courier.renew and courier.leave call it.
-- Of two at a time the second waits for the first one's lock on the courier, and then finds it gone.
CREATE OR REPLACE FUNCTION sigsentry.tally_fold(p_age interval) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	WITH gone AS (
		DELETE FROM sigsentry.courier c WHERE c.beat_at < now() - p_age RETURNING c.id
	), unknown AS (
		SELECT t.courier_id AS id
		  FROM (SELECT a.courier_id, a.last_at FROM sigsentry.tally_attempt a
		         UNION ALL
		        SELECT d.courier_id, '-infinity' FROM sigsentry.tally_delivery d) t
		 WHERE t.courier_id <> '00000000-0000-0000-0000-000000000000'
		   AND NOT EXISTS (SELECT 1 FROM sigsentry.courier c WHERE c.id = t.courier_id)
		 GROUP BY t.courier_id
		HAVING max(t.last_at) < now() - p_age
	), all_gone AS (
		SELECT g.id FROM gone g UNION SELECT u.id FROM unknown u
	), attempts AS (
		DELETE FROM sigsentry.tally_attempt t USING all_gone g WHERE t.courier_id = g.id RETURNING t.*
	), deliveries AS (
		DELETE FROM sigsentry.tally_delivery t USING all_gone g WHERE t.courier_id = g.id RETURNING t.*
	), kept AS (
		INSERT INTO sigsentry.tally_attempt AS t (courier_id, type, outcome, attempts, last_at)
		SELECT '00000000-0000-0000-0000-000000000000', a.type, a.outcome, sum(a.attempts), max(a.last_at)
		  FROM attempts a
		 GROUP BY 2, 3
		 ORDER BY 2, 3
		    ON CONFLICT ON CONSTRAINT tally_attempt_pkey DO UPDATE
		   SET attempts = t.attempts + excluded.attempts, last_at = greatest(t.last_at, excluded.last_at)
	)
	INSERT INTO sigsentry.tally_delivery AS t (courier_id, le, deliveries, seconds)
	SELECT '00000000-0000-0000-0000-000000000000', d.le, sum(d.deliveries), sum(d.seconds)
	  FROM deliveries d
	 GROUP BY 2
	 ORDER BY 2
	    ON CONFLICT ON CONSTRAINT tally_delivery_pkey DO UPDATE
	   SET deliveries = t.deliveries + excluded.deliveries, seconds = t.seconds + excluded.seconds
$$;
