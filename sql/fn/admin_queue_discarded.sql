-- admin.queue_discarded: after the last batch of admin.queue_discard: note what was done, forget the operator's notices of that time,
-- and let the queue go.
-- p_actor   the local user
-- p_before  the time
-- p_count   how many deliveries were discarded
-- Returns as admin.queue_release.
-- Tables: writes operator_notice, audit; those of admin.queue_release.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.queue_discarded(
	p_actor text, p_before timestamptz, p_count bigint, OUT status text, OUT "released" boolean, OUT "waiting" bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	DELETE FROM sigsentry.operator_notice n WHERE n.event_id < sigsentry.uuid_v7_floor(p_before);
	PERFORM sigsentry.audit_by_user(p_actor, NULL, 'queue.discard', 'queue', NULL,
	                                jsonb_build_object('before', sigsentry.rfc3339(p_before), 'discarded', p_count));
	SELECT r.status, r."released", r."waiting" INTO status, "released", "waiting" FROM admin.queue_release(p_actor) r;
END
$$;
