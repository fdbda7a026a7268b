-- sigsentry.event_is_of: is an event one of this project's?
-- p_tenant   whose it is
-- p_event    the event
-- p_project  the project
-- Returns whether; false where there is no such event (any more).
-- Tables: reads event.
-- Role: none; sigsentry.delivery_own calls it.
-- In a statement of its own the id is known before it begins, and one partition is opened.  As a part of another statement it
-- would bring all of them into that, also where nobody asks.
CREATE OR REPLACE FUNCTION sigsentry.event_is_of(p_tenant uuid, p_event uuid, p_project uuid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	RETURN EXISTS (SELECT 1 FROM sigsentry.event e WHERE e.tenant_id = p_tenant AND e.id = p_event AND e.project_id = p_project);
END
$$;
