-- admin.queue_status: how it goes with the deliveries.
-- Returns one row: now; waiting, deliveries that no courier has in hand, those that wait for their next attempt too; sending;
-- oldestDueSeconds, as sigsentry.queue_overdue; deliveredLastHour, failedLastHour; couriersAlive, those that have beaten their
-- heart within their lease; localFault, as api.ready's local_type.  Neither is of a time to come, as there.
-- Tables: reads queue, delivery, courier, tally_attempt; those of sigsentry.queue_overdue.
-- Role: sigsentry_owner.
-- The history is cut into parts by when deliveries were accepted: one that was tried for longer than 30 days is not counted.
CREATE OR REPLACE FUNCTION admin.queue_status(
	OUT "now" text, OUT "waiting" bigint, OUT "sending" bigint, OUT "oldestDueSeconds" integer, OUT "deliveredLastHour" bigint,
	OUT "failedLastHour" bigint, OUT "couriersAlive" bigint, OUT "localFault" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT count(*) FILTER (WHERE q.claim_id IS NULL), count(*) FILTER (WHERE q.claim_id IS NOT NULL)
	  INTO "waiting", "sending"
	  FROM sigsentry.queue q;
	SELECT count(*) FILTER (WHERE d.status = 'delivered'), count(*) FILTER (WHERE d.status = 'failed')
	  INTO "deliveredLastHour", "failedLastHour"
	  FROM sigsentry.delivery d
	 WHERE d.id >= sigsentry.uuid_v7_floor(pg_catalog.now() - interval '30 days')
	   AND d.finished_at > pg_catalog.now() - interval '1 hour';
	SELECT count(*) INTO "couriersAlive"
	  FROM sigsentry.courier c
	 WHERE c.beat_at > pg_catalog.now() - make_interval(secs => c.lease_s)
	   AND c.beat_at <= pg_catalog.now() + interval '10 seconds';
	SELECT t.type INTO "localFault"
	  FROM sigsentry.tally_attempt t
	 WHERE t.outcome = 'local' AND t.last_at > pg_catalog.now() - interval '90 seconds'
	   AND t.last_at <= pg_catalog.now() + interval '10 seconds'
	 ORDER BY t.last_at DESC LIMIT 1;
	"now" := sigsentry.rfc3339(pg_catalog.now());
	"oldestDueSeconds" := sigsentry.queue_overdue();
END
$$;
