-- courier.hand_back: give up deliveries that were claimed: they may go at once, from any courier, as if they had not been tried,
-- but for the recipients of an e-mail who have got it.
-- p_tenants, p_ids, p_claims  the deliveries; one with a stale claim is passed over
-- p_progress  as table queue's
-- p_mails     messages that the relay took
-- Returns nothing.
-- Tables: writes queue; those of sigsentry.mail_count.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.hand_back(
	p_tenants uuid[], p_ids uuid[], p_claims uuid[], p_progress text[], p_mails integer[])
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_custom_plan
AS $$
	-- One by one, as courier.record.
	WITH held AS MATERIALIZED (
		SELECT q.at, f.progress
		  FROM (SELECT f.*
		          FROM unnest(p_tenants, p_ids, p_claims, p_progress) AS f (tenant_id, id, claim_id, progress)
		         ORDER BY f.tenant_id, f.id) f
		 CROSS JOIN LATERAL (SELECT o.ctid AS at
		                       FROM sigsentry.queue o
		                      WHERE o.tenant_id = f.tenant_id AND o.id = f.id AND o.claim_id IS NOT DISTINCT FROM f.claim_id
		                      LIMIT 1 FOR UPDATE) q
	)
	UPDATE sigsentry.queue AS q
	   SET claim_id = NULL, wake_at = now(), progress = h.progress
	  FROM held h
	 WHERE q.ctid = h.at;
	SELECT sigsentry.mail_count(p_tenants, p_mails);
$$;
