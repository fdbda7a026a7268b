-- courier.renew: a courier lives: renew its leases.
-- p_courier, p_name, p_version, p_key_ids, p_flights  as table courier's
-- p_tenants, p_ids, p_claims  the deliveries that it has under way, or whose outcome it could not write down yet, and the claims that it
-- has them under
-- p_lease_s  as courier.claim
-- Returns nothing.
-- Tables: writes courier, queue; those of sigsentry.clock_back and sigsentry.tally_fold.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.renew(
	p_courier uuid, p_name text, p_version text, p_key_ids text[], p_flights integer,
	p_tenants uuid[], p_ids uuid[], p_claims uuid[], p_lease_s integer)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
	v_ats tid[];
BEGIN
	PERFORM sigsentry.clock_back();
	INSERT INTO sigsentry.courier AS c (id, name, version, key_ids, lease_s, flights)
	VALUES (p_courier, p_name, p_version, p_key_ids, p_lease_s, p_flights)
	    ON CONFLICT ON CONSTRAINT courier_pkey DO UPDATE
	   SET beat_at = now(), flights = excluded.flights, lease_s = excluded.lease_s, key_ids = excluded.key_ids;
	-- As sigsentry.queue_hold.  One that somebody holds, who deletes its channel say, costs the others nothing; the next beat renews it.
	v_ats := ARRAY (
		SELECT q.at
		  FROM (SELECT t.*
		          FROM unnest(p_tenants, p_ids, p_claims) AS t (tenant_id, id, claim_id)
		         ORDER BY t.tenant_id, t.id) t
		 CROSS JOIN LATERAL (SELECT o.ctid AS at
		                       FROM sigsentry.queue o
		                      WHERE (o.tenant_id, o.id) >= (t.tenant_id, t.id) AND (o.tenant_id, o.id) <= (t.tenant_id, t.id)
		                        AND o.claim_id = t.claim_id
		                      LIMIT 1 FOR UPDATE SKIP LOCKED) q);
	UPDATE sigsentry.queue AS q
	   SET wake_at = now() + make_interval(secs => p_lease_s)
	 WHERE q.ctid = ANY (v_ats);
	PERFORM sigsentry.tally_fold(interval '1 day');
END
$$;
