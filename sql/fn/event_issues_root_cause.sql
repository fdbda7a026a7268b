-- sigsentry.event_issues_root_cause: what is wrong with an event's rootCause?
-- p  the value; NULL where there is none
-- Returns rows: path, code, message.
-- Tables: none.
-- Role: none; sigsentry.event_issues calls it.
CREATE OR REPLACE FUNCTION sigsentry.event_issues_root_cause(p jsonb)
RETURNS TABLE (path text, code text, message text)
LANGUAGE sql IMMUTABLE
AS $$
	SELECT 'rootCause', 'type', 'must be an object, not ' || sigsentry.json_article(p)
	 WHERE jsonb_typeof(p) <> 'object'
	 UNION ALL
	SELECT 'rootCause.' || f.name, 'type', 'must be a string, not ' || sigsentry.json_article(p -> f.name)
	  FROM unnest(ARRAY['description', 'service', 'errorType', 'category']) AS f (name)
	 WHERE jsonb_typeof(p) = 'object' AND p ? f.name AND jsonb_typeof(p -> f.name) <> 'string'
$$;
