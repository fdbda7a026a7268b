-- sigsentry.channel_json: a channel as the API shows it (contract §3), as JSON text.
-- c  the row
-- l  its lane; NULL before its first delivery
-- Returns an object.  Nothing of its credentials is in either row.
-- Tables: none.
-- Role: none; the functions of schema api call it.  The planner inlines it.
CREATE OR REPLACE FUNCTION sigsentry.channel_json(c sigsentry.channel, l sigsentry.lane) RETURNS text
LANGUAGE sql STABLE
AS $$
	SELECT '{"id":"' || c.id || '","type":"' || c.type || '","name":' || to_json(c.name::text)::text
	       || ',"severityThreshold":"' || sigsentry.severity_word(c.severity_threshold)
	       || CASE WHEN c.is_active THEN '","isActive":true' ELSE '","isActive":false' END
	       || coalesce(',"disabledReason":' || c.disabled_reason::text, '')
	       || CASE WHEN c.project_id IS NULL THEN ',"scope":"tenant"' ELSE ',"scope":"project"' END
	       || ',"destination":' || to_json(c.destination)::text
	       || coalesce(',"lastDeliveredAt":"' || sigsentry.rfc3339(l.last_delivered_at) || '"', '')
	       || coalesce(',"failingSince":"' || sigsentry.rfc3339(l.failing_since) || '"', '')
	       || ',"createdAt":"' || sigsentry.rfc3339(c.created_at)
	       || '","updatedAt":"' || sigsentry.rfc3339(c.updated_at) || '"}'
$$;
