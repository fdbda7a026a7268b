-- sigsentry.mail_count: count messages that the relay took, for mail_daily_cap.
-- p_tenants, p_mails  whose, and how many; a tenant may stand there several times
-- p_ats  what sigsentry.queue_hold gave for their deliveries: of one with a stale claim nothing is counted, since it may have been before
-- Returns nothing.
-- Tables: writes mail_day.
-- Role: none; courier.record and courier.hand_back call it.
CREATE OR REPLACE FUNCTION sigsentry.mail_count(p_tenants uuid[], p_mails integer[], p_ats tid[]) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO sigsentry.mail_day AS m (tenant_id, day, sent)
	SELECT t.tenant_id, (now() AT TIME ZONE 'UTC')::date, sum(t.n)
	  FROM unnest(p_tenants, p_mails, p_ats) AS t (tenant_id, n, at)
	 WHERE t.n > 0 AND t.at IS NOT NULL
	 GROUP BY t.tenant_id
	 ORDER BY t.tenant_id
	    ON CONFLICT ON CONSTRAINT mail_day_pkey DO UPDATE SET sent = m.sent + excluded.sent
$$;
