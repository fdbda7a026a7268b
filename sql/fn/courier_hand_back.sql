-- courier.hand_back: give up deliveries that were claimed: they may go at once, from any courier, as if they had not been tried,
-- but for the recipients of an e-mail who have got it.
-- p_tenants, p_ids, p_claims  the deliveries; one with a stale claim is passed over
-- p_progress  as table queue's
-- p_mails     messages that the relay took
-- Returns nothing.
-- Tables: writes queue; those of sigsentry.queue_hold and sigsentry.mail_count.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.hand_back(
	p_tenants uuid[], p_ids uuid[], p_claims uuid[], p_progress text[], p_mails integer[])
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_ats tid[] := sigsentry.queue_hold(p_tenants, p_ids, p_claims);
BEGIN
	UPDATE sigsentry.queue AS q
	   SET claim_id = NULL, wake_at = now(), progress = f.progress
	  FROM unnest(v_ats, p_progress) AS f (at, progress)
	 WHERE q.ctid = f.at;
	PERFORM sigsentry.mail_count(p_tenants, p_mails, v_ats);
END
$$;
