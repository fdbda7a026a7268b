-- admin.publish: tell a project's channels something, by the rules of sigsentry.publish.
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
DECLARE
	v_detail text;
BEGIN
	status := 'no_project';
	PERFORM FROM sigsentry.project p WHERE p.id = p_project;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT p.id, p.deliveries INTO "id", "deliveries" FROM sigsentry.publish(p_project, p_payload) p;
	status := 'ok';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
	issues := v_detail::jsonb -> 'issues';
	status := 'invalid';
END
$$;
