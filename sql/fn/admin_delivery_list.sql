-- admin.delivery_list: deliveries, ended or not, newest first.
-- p_tenant   whose; NULL for all
-- p_channel  only this channel's; NULL for all
-- p_status   only those of these; NULL for all
-- p_since    only those created from then on; NULL for all
-- p_limit    how many at the most; NULL is 100
-- Returns one row each.
-- Tables: reads channel, queue, delivery, event.
-- Role: sigsentry_owner.
-- A channel names its tenant, by which the indexes begin; without either, all of the time asked for is looked through.
-- Planned anew each time, so that conditions that are not asked for are none, and those that are find their index.
CREATE OR REPLACE FUNCTION admin.delivery_list(
	p_tenant uuid, p_channel uuid, p_status text[], p_since timestamptz, p_limit integer)
RETURNS TABLE ("id" uuid, "tenantId" uuid, "channelId" uuid, "eventId" uuid, "event" text, "severity" text, "status" text,
               "attempts" integer, "test" boolean, "createdAt" text, "nextAttemptAt" text, "finishedAt" text,
               "lastStatusCode" integer, "lastError" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	v_tenant uuid := coalesce(p_tenant, (SELECT c.tenant_id FROM sigsentry.channel c WHERE c.id = p_channel));
BEGIN
	RETURN QUERY
	SELECT d.id, d.tenant_id, d.channel_id, d.event_id, e.name, coalesce(sigsentry.severity_word(e.severity), 'info'), d.status,
	       d.attempts, d.is_test, sigsentry.rfc3339(d.created_at), sigsentry.rfc3339(d.next_at), sigsentry.rfc3339(d.finished_at),
	       d.last_status_code, d.last_error
	  FROM (SELECT a.*
	          FROM sigsentry.delivery_all a
	         WHERE (v_tenant IS NULL OR a.tenant_id = v_tenant) AND (p_channel IS NULL OR a.channel_id = p_channel)
	           AND (p_status IS NULL OR a.status = ANY (p_status))
	           AND (p_since IS NULL OR (a.created_at >= p_since AND a.id >= sigsentry.uuid_v7_floor(p_since - interval '1 second')))
	         ORDER BY a.id DESC
	         LIMIT greatest(coalesce(p_limit, 100), 0)) d
	  LEFT JOIN sigsentry.event e ON e.tenant_id = d.tenant_id AND e.id = d.event_id
	 ORDER BY d.id DESC;
END
$$;
