-- sigsentry.event_issues_text: what is wrong with a text field of an event?
-- p            the body
-- p_name       the field
-- p_min, p_max  code points
-- p_required   it must be there
-- p_missing    what to say where it is not
-- Returns rows: path, code, message.
-- Tables: none.
-- Role: none; sigsentry.event_issues calls it.
CREATE OR REPLACE FUNCTION sigsentry.event_issues_text(
	p jsonb, p_name text, p_min integer, p_max integer, p_required boolean, p_missing text)
RETURNS TABLE (path text, code text, message text)
LANGUAGE sql IMMUTABLE
AS $$
	SELECT p_name, 'required', 'is missing: ' || p_missing
	 WHERE p_required AND NOT p ? p_name
	 UNION ALL
	SELECT p_name, 'type', 'must be a string, not ' || sigsentry.json_article(p -> p_name)
	 WHERE p ? p_name AND jsonb_typeof(p -> p_name) <> 'string'
	 UNION ALL
	SELECT p_name, 'length', format('must be %s to %s characters long, not %s', p_min, p_max, char_length(p ->> p_name))
	 WHERE jsonb_typeof(p -> p_name) = 'string' AND char_length(p ->> p_name) NOT BETWEEN p_min AND p_max
$$;
