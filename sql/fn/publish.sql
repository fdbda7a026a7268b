-- sigsentry.publish: tell a project's channels something, in the caller's own transaction: the event and its deliveries
-- are there if and only if that commits (contract §5).
-- p_project  the project
-- p_payload  the event
-- Returns one row: id of the event, number of deliveries.
-- Raises SQLSTATE 22023 where the payload is bad, with the issues as JSON in DETAIL, or where there is no such project.
-- Tables: reads project; those of sigsentry.event_add.
-- Role: sigsentry_producer.
CREATE OR REPLACE FUNCTION sigsentry.publish(project_id uuid, payload jsonb, OUT id uuid, OUT deliveries integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_tenant uuid;
	v_issues jsonb;
BEGIN
	SELECT p.tenant_id INTO v_tenant FROM sigsentry.project p WHERE p.id = publish.project_id;
	IF NOT FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'sigsentry.publish: there is no such project',
			DETAIL = jsonb_build_object('issues', jsonb_build_array(jsonb_build_object(
			             'path', 'project_id', 'code', 'format', 'message', 'must be the id of a project'))),
			HINT = 'sigsentryctl project list shows the projects.';
	END IF;
	SELECT jsonb_agg(jsonb_build_object('path', i.path, 'code', i.code, 'message', i.message))
	  INTO v_issues
	  FROM sigsentry.event_issues(payload) i;
	IF payload IS NULL THEN
		v_issues := '[{"path":"","code":"json","message":"the payload must be a JSON object, not NULL"}]';
	END IF;
	IF v_issues IS NOT NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'sigsentry.publish: the payload is not a valid event',
			DETAIL = jsonb_build_object('issues', v_issues);
	END IF;
	id := sigsentry.uuid_v7();
	deliveries := sigsentry.event_add(v_tenant, publish.project_id, id, payload, NULL);
END
$$;
