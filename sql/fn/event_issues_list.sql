-- sigsentry.event_issues_list: what is wrong with a list of an event: of strings, or of objects with a text, a word and
-- perhaps a count?
-- p         the body
-- p_name    the list: affectedServices
-- p_text    the text that each object must have: serviceName
-- p_word    the word that it may have: role
-- p_words   what that may be
-- p_count   the number that it may have: errorCount; NULL is none
-- Returns rows: path, code, message.
-- Tables: none.
-- Role: none; sigsentry.event_issues calls it.
CREATE OR REPLACE FUNCTION sigsentry.event_issues_list(
	p jsonb, p_name text, p_text text, p_word text, p_words text[], p_count text)
RETURNS TABLE (path text, code text, message text)
LANGUAGE sql IMMUTABLE
AS $$
	SELECT p_name, 'type', 'must be an array, not ' || sigsentry.json_article(p -> p_name)
	 WHERE p ? p_name AND jsonb_typeof(p -> p_name) <> 'array'
	 UNION ALL
	SELECT format('%s[%s]', p_name, e.n - 1) || i.path, i.code, i.message
	  FROM jsonb_array_elements(CASE jsonb_typeof(p -> p_name) WHEN 'array' THEN p -> p_name ELSE '[]' END)
	       WITH ORDINALITY AS e (value, n),
	       LATERAL (
		SELECT '', 'type', 'must be a string or an object, not ' || sigsentry.json_article(e.value)
		 WHERE jsonb_typeof(e.value) NOT IN ('string', 'object')
		 UNION ALL
		SELECT '.' || p_text, 'required', 'is missing: each object of this list needs it'
		 WHERE jsonb_typeof(e.value) = 'object' AND NOT e.value ? p_text
		 UNION ALL
		SELECT '.' || p_text, 'type', 'must be a string, not ' || sigsentry.json_article(e.value -> p_text)
		 WHERE jsonb_typeof(e.value) = 'object' AND e.value ? p_text AND jsonb_typeof(e.value -> p_text) <> 'string'
		 UNION ALL
		SELECT '.' || p_word, CASE jsonb_typeof(e.value -> p_word) WHEN 'string' THEN 'enum' ELSE 'type' END,
		       'must be one of ' || array_to_string(p_words, ', ')
		 WHERE jsonb_typeof(e.value) = 'object' AND e.value ? p_word
		   AND NOT (jsonb_typeof(e.value -> p_word) = 'string' AND e.value ->> p_word = ANY (p_words))
		 UNION ALL
		SELECT '.' || p_count, 'type', 'must be a number, not ' || sigsentry.json_article(e.value -> p_count)
		 WHERE jsonb_typeof(e.value) = 'object' AND e.value ? p_count AND jsonb_typeof(e.value -> p_count) <> 'number'
	       ) AS i (path, code, message)
$$;
