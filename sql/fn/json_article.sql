-- sigsentry.json_article: what a value is, with its article, for messages.
-- p  the value
-- Returns the words.
-- Tables: none.
-- Role: none.
CREATE OR REPLACE FUNCTION sigsentry.json_article(p jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE jsonb_typeof(p) WHEN 'null' THEN 'null' WHEN 'array' THEN 'an array' WHEN 'object' THEN 'an object'
	       ELSE 'a ' || jsonb_typeof(p) END
$$;
