-- sigsentry.channel_audit: what the audit trail says of a channel.
-- c  the row
-- Returns an object without secrets.
-- Tables: none.
-- Role: none; the functions that change channels call it.
CREATE OR REPLACE FUNCTION sigsentry.channel_audit(c sigsentry.channel) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
	SELECT jsonb_build_object('type', c.type, 'name', c.name, 'destination', c.destination,
	                          'severityThreshold', sigsentry.severity_word(c.severity_threshold), 'isActive', c.is_active,
	                          'disabledReason', c.disabled_reason)
$$;
