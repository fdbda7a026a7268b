-- sigsentry.hold_set: hold the queue; if it is held already, that stays as it is.
-- p_kind, p_by  whose doing it is, for the audit trail: user and the local user's name, system and a courier's name
-- p_why   the reason, for people
-- Returns whether it was not held before.
-- Tables: writes hold, audit.
-- Role: none; admin.queue_hold and sigsentry.epoch_is_lost call it.
-- Never makes the row: while a dump is being restored there may be none, and a second one would spoil that.
CREATE OR REPLACE FUNCTION sigsentry.hold_set(p_kind sigsentry.actor_kind, p_by text, p_why text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	UPDATE sigsentry.hold AS h
	   SET held_at = now(), held_by = p_by, why = p_why
	 WHERE h.id = 1 AND h.held_at IS NULL;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO sigsentry.audit (id, tenant_id, actor_kind, actor, action, object_kind, object_id, before, after)
	VALUES (sigsentry.uuid_v7(), NULL, p_kind, p_by, 'queue.hold', 'queue', 'queue', '{"held": false}',
	        jsonb_build_object('held', true, 'why', p_why));
	RETURN true;
END
$$;
