-- courier.notices_take: notices that the operator is to be mailed.
-- p_limit  how many at the most
-- Returns rows as courier.claim does; id is the notice's own, channel_id is all zeroes, there are no credentials.
-- None while the queue is held: of an older database they are old, too.
-- Tables: reads hold, event, project; writes operator_notice.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.notices_take(p_limit integer)
RETURNS TABLE (tenant_id uuid, id uuid, channel_id uuid, type text, attempts integer, is_test boolean,
               event_id uuid, project_id uuid, project_slug text, event_name text, severity smallint, payload text,
               occurred_at bigint, accepted_at bigint, progress text, credentials text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	WITH taken AS (
		UPDATE sigsentry.operator_notice AS n
		   SET taken_at = now()
		 WHERE n.ctid = ANY (ARRAY (SELECT o.ctid FROM sigsentry.operator_notice o
		                             WHERE (o.taken_at IS NULL OR o.taken_at <= now() - interval '5 minutes')
		                               AND NOT EXISTS (SELECT 1 FROM sigsentry.hold h WHERE h.id = 1 AND h.held_at IS NOT NULL)
		                             LIMIT p_limit FOR UPDATE SKIP LOCKED))
		RETURNING n.tenant_id, n.event_id
	)
	SELECT e.tenant_id, e.id, '00000000-0000-0000-0000-000000000000'::uuid, 'email', 0, false, e.id, e.project_id, p.slug, e.name,
	       e.severity, e.payload::text, (date_part('epoch', e.occurred_at) * 1000)::bigint,
	       (date_part('epoch', e.accepted_at) * 1000)::bigint, NULL::text, NULL::text
	  FROM taken t
	  JOIN sigsentry.event e ON e.tenant_id = t.tenant_id AND e.id = t.event_id
	  LEFT JOIN sigsentry.project p ON p.tenant_id = e.tenant_id AND p.id = e.project_id
$$;
