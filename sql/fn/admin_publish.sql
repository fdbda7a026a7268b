-- admin.publish: tell a project's channels something: sigsentry.publish, with its issues as a value.
-- p_project  the project
-- p_payload  the event
-- Returns one row: status, then the event's id and how many deliveries it has, and issues (a JSON array of path, code and
-- message; NULL but for invalid).  Status: ok, no_project, invalid.
-- Tables: reads project; those of sigsentry.publish.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.publish(
	p_project uuid, p_payload jsonb, OUT status text, OUT "id" uuid, OUT "deliveries" integer, OUT issues jsonb)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM sigsentry.project p WHERE p.id = p_project FOR KEY SHARE;
	IF NOT FOUND THEN
		status := 'no_project';
		RETURN;
	END IF;
	SELECT jsonb_agg(jsonb_build_object('path', i.path, 'code', i.code, 'message', i.message))
	  INTO issues
	  FROM sigsentry.event_issues(p_payload) i;
	IF issues IS NOT NULL THEN
		status := 'invalid';
		RETURN;
	END IF;
	SELECT p.id, p.deliveries INTO "id", "deliveries" FROM sigsentry.publish(p_project, p_payload) p;
	status := 'ok';
END
$$;
