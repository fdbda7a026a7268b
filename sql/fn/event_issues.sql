-- sigsentry.event_issues: what is wrong with the body of an event (contract §5)?  The one set of rules for all ways in.
-- p  the body
-- Returns rows in the order of the contract's table: path, code, message.  None: it is good.
-- Tables: none.
-- Role: none; sigsentry.publish and the functions of api and admin that take events call it.
CREATE OR REPLACE FUNCTION sigsentry.event_issues(p jsonb) RETURNS TABLE (path text, code text, message text)
LANGUAGE sql IMMUTABLE
AS $$
	SELECT '', 'json', 'the body must be a JSON object, not a JSON ' || jsonb_typeof(p)
	 WHERE jsonb_typeof(p) <> 'object'
	 UNION ALL
	SELECT i.path, i.code, i.message
	  FROM (SELECT 1 WHERE jsonb_typeof(p) = 'object') AS is_object,
	       LATERAL (
		SELECT * FROM sigsentry.event_issues_text(p, 'event', 1, 64, true, 'must be a dotted name such as analysis.complete')
		 UNION ALL
		SELECT 'event', 'format',
		       'must be words of a-z, 0-9 and _ with single dots between them, as in analysis.complete'
		 WHERE jsonb_typeof(p -> 'event') = 'string' AND p ->> 'event' !~ '^[a-z0-9_]+(\.[a-z0-9_]+)*$' AND p ->> 'event' <> ''
		 UNION ALL
		SELECT 'event', 'reserved', 'must not begin with channel. or sigsentry.: events of these names are made by the service itself'
		 WHERE p ->> 'event' ~ '^(channel|sigsentry)(\.|$)'
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_text(p, 'analysisId', 1, 255, p ->> 'event' ~ '^analysis(\.|$)',
		                                          'must be the analysis'' id: events whose name begins with analysis. need it')
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_text(p, 'createdAt', 1, 64, false, '')
		 UNION ALL
		SELECT 'createdAt', 'format', 'must be a time in RFC 3339, such as 2026-11-24T18:20:00.000Z'
		 WHERE jsonb_typeof(p -> 'createdAt') = 'string' AND NOT sigsentry.is_rfc3339(p ->> 'createdAt')
		 UNION ALL
		SELECT 'severity', CASE WHEN p ? 'severity' THEN CASE jsonb_typeof(p -> 'severity') WHEN 'string' THEN 'enum' ELSE 'type' END ELSE 'required' END,
		       CASE WHEN p ? 'severity' THEN '' ELSE 'is missing: ' END || 'must be one of critical, high, medium, low or info'
		 WHERE NOT coalesce(p ->> 'severity' IN ('critical', 'high', 'medium', 'low', 'info') AND jsonb_typeof(p -> 'severity') = 'string', false)
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_text(p, 'summary', 1, 10000, true, 'must say what happened')
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_text(p, 'url', 1, 2048, false, '')
		 UNION ALL
		SELECT 'url', 'format', 'must be an absolute link that begins with https://, without spaces'
		 WHERE jsonb_typeof(p -> 'url') = 'string' AND (p ->> 'url' !~ '^https://[^/?#@]+([/?#]|$)'
		        OR p ->> 'url' ~ '[\u0001-\u0020\\\u007F-\u00A0\u1680\u2000-\u200F\u2028-\u202F\u205F-\u206F\u3000\uFEFF]')
		 UNION ALL
		SELECT 'confidence', CASE jsonb_typeof(p -> 'confidence') WHEN 'number' THEN 'length' ELSE 'type' END,
		       'must be a number from 0 to 1'
		 WHERE p ? 'confidence'
		   AND NOT (jsonb_typeof(p -> 'confidence') = 'number'
		            AND CASE jsonb_typeof(p -> 'confidence') WHEN 'number' THEN (p ->> 'confidence')::numeric BETWEEN 0 AND 1 END)
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_root_cause(p -> 'rootCause')
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_list(p, 'affectedServices', 'serviceName', 'role',
		                                          ARRAY['origin', 'propagator', 'affected'], 'errorCount')
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_list(p, 'suggestedActions', 'action', 'type',
		                                          ARRAY['fix', 'investigate', 'mitigate', 'escalate'], NULL)
		 UNION ALL
		SELECT r.name, 'reserved', 'is a name of the envelope that the service puts around an event; use another one'
		  FROM unnest(ARRAY['deliveryId', 'eventId', 'tenantId', 'projectId', 'projectSlug', 'payloadVersion']) AS r (name)
		 WHERE p ? r.name
		 UNION ALL
		SELECT * FROM sigsentry.event_issues_size(p)
	       ) AS i (path, code, message)
$$;
