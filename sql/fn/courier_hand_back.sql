-- courier.hand_back: give up deliveries that were claimed: they may go at once, from any courier, as if they had not been tried.
-- p_tenants, p_ids, p_claims  the deliveries; one with a stale claim is passed over
-- Returns nothing.
-- Tables: writes queue.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.hand_back(p_tenants uuid[], p_ids uuid[], p_claims uuid[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE sigsentry.queue AS q
	   SET claim_id = NULL, wake_at = now()
	  FROM unnest(p_tenants, p_ids, p_claims) AS f (tenant_id, id, claim_id)
	 WHERE q.tenant_id = f.tenant_id AND q.id = f.id AND q.claim_id = f.claim_id
$$;
