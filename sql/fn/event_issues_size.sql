-- sigsentry.event_issues_size: is the body of an event too large or too deep to be sent on?
-- p  the body
-- Returns rows: path, code, message.  None: it is good.
-- A number such as 1e100000 is a hundred thousand digits as soon as it is written out, and every courier has to do that: so
-- numbers are measured one by one, before the whole is.  1 MiB is event.h's EVENT_PAYLOAD_MAX, 16 base/json.h's JSON_DEPTH_MAX.
-- Tables: none.
-- Role: none; sigsentry.event_issues calls it.
CREATE OR REPLACE FUNCTION sigsentry.event_issues_size(p jsonb) RETURNS TABLE (path text, code text, message text)
LANGUAGE sql IMMUTABLE
AS $$
	SELECT '', 'length', CASE WHEN n.size > 262144 THEN 'holds numbers of more than 262144 digits together: send them as strings'
	                          ELSE 'is larger than 1 MiB' END
	  FROM (SELECT coalesce(sum(length(v::text)), 0) AS size
	          FROM jsonb_path_query(p, 'strict $.** ? (@.type() == "number")') AS v) n
	 WHERE CASE WHEN n.size > 262144 THEN true ELSE octet_length(p::text) > 1048576 END
	 UNION ALL
	SELECT '', 'json', 'has more than 16 open objects and arrays'
	 WHERE jsonb_path_exists(p, 'strict $.**{16 to last} ? (@.type() == "object" || @.type() == "array")')
$$;
