-- sigsentry.delivery_json: a delivery as the API shows it (contract §5), as JSON text without its closing brace, so that more
-- can be put behind it.
-- d  the delivery
-- p_event, p_severity  its event's
-- Returns the text.
-- Tables: none.
-- Role: none; the functions that show deliveries call it.
CREATE OR REPLACE FUNCTION sigsentry.delivery_json(d sigsentry.delivery_all, p_event text, p_severity smallint) RETURNS text
LANGUAGE sql STABLE
AS $$
	SELECT '{"id":"' || d.id || '","eventId":"' || d.event_id || '","event":' || to_json(p_event)::text
	       || ',"severity":"' || coalesce(sigsentry.severity_word(p_severity), 'info') || '","status":"' || d.status
	       || '","attempts":' || d.attempts || ',"test":' || d.is_test::text
	       || ',"createdAt":"' || sigsentry.rfc3339(d.created_at) || '"'
	       || coalesce(',"nextAttemptAt":"' || sigsentry.rfc3339(d.next_at) || '"', '')
	       || coalesce(',"finishedAt":"' || sigsentry.rfc3339(d.finished_at) || '"', '')
	       || coalesce(',"lastStatusCode":' || d.last_status_code, '')
	       || coalesce(',"lastError":' || to_json(d.last_error)::text, '')
$$;
