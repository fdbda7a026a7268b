-- sigsentry.is_rfc3339: is it a time as RFC 3339 5.6 writes it, on a day that there is?  So that the cast cannot fail: which
-- takes no offset of 16 hours or more, as no place has one.
-- p_text  the text
-- Returns the answer.
-- Tables: none.
-- Role: none.
CREATE OR REPLACE FUNCTION sigsentry.is_rfc3339(p_text text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN p_text ~ '^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d(\.\d+)?|60(\.0+)?)([Zz]|[+-](0\d|1[0-5]):[0-5]\d)$'
	            THEN substr(p_text, 9, 2)::integer <= date_part('day',
	                     make_date(substr(p_text, 1, 4)::integer, substr(p_text, 6, 2)::integer, 1) + interval '1 month - 1 day')
	            ELSE false
	       END
$$;
