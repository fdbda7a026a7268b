-- courier.notice_done: the operator has got a notice.
-- p_tenant, p_id  the notice
-- Returns nothing.
-- Tables: writes operator_notice.
-- Role: sigsentry_courier.
CREATE OR REPLACE FUNCTION courier.notice_done(p_tenant uuid, p_id uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM sigsentry.operator_notice n WHERE n.tenant_id = p_tenant AND n.event_id = p_id
$$;
