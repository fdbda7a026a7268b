-- admin.tenant_delete: remove a tenant and all that is its own, for good: no row with its id in tenant_id stays.
-- p_actor   the local user
-- p_tenant  the tenant
-- Returns one row: status, then the id.  Status: ok, no_tenant.
-- Tables: deletes from tenant (projects, keys, channels, credentials follow), audit, idempotency, permit, queue and the history; writes audit: one
-- row without a tenant says that it was done, and bears nothing of the tenant but its id and counts.
-- A request that passed the key just before may leave a row in permit; courier.housekeep takes it within the hour.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.tenant_delete(
	p_actor text, p_tenant uuid,
	OUT status text, OUT "id" uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_before jsonb;
BEGIN
	-- Answers before projects, and projects before the tenant, as a create locks them; the other way round the two could
	-- wait for each other.
	DELETE FROM sigsentry.idempotency i WHERE i.tenant_id = p_tenant;
	PERFORM 1 FROM sigsentry.project p WHERE p.tenant_id = p_tenant ORDER BY p.id FOR UPDATE;
	PERFORM 1 FROM sigsentry.tenant t WHERE t.id = p_tenant FOR UPDATE;
	IF NOT FOUND THEN
		status := 'no_tenant';
		RETURN;
	END IF;
	v_before := jsonb_build_object(
		'projects', (SELECT count(*) FROM sigsentry.project p WHERE p.tenant_id = p_tenant),
		'channels', (SELECT count(*) FROM sigsentry.channel c WHERE c.tenant_id = p_tenant),
		'apikeys', (SELECT count(*) FROM sigsentry.api_key k WHERE k.tenant_id = p_tenant));
	-- Channels before rows of the queue before lanes, and in order, as couriers lock them.  Who writes down an outcome is waited for,
	-- since that leaves rows in the history; who wakes rows up is not: it may wait for a channel, and drops them where there is none.
	PERFORM 1 FROM sigsentry.channel c WHERE c.tenant_id = p_tenant ORDER BY c.id FOR UPDATE;
	PERFORM 1 FROM sigsentry.queue q WHERE q.tenant_id = p_tenant AND q.claim_id IS NOT NULL ORDER BY q.id FOR UPDATE;
	PERFORM 1 FROM sigsentry.lane l WHERE l.tenant_id = p_tenant ORDER BY l.channel_id FOR UPDATE;
	-- The tenant first: this waits for every transaction that is adding something to it, and lets none begin.  So the
	-- next statement sees all of its rows that have no foreign key.
	DELETE FROM sigsentry.tenant t WHERE t.id = p_tenant;
	DELETE FROM sigsentry.audit a WHERE a.tenant_id = p_tenant;
	DELETE FROM sigsentry.idempotency i WHERE i.tenant_id = p_tenant;       -- those that have come since
	DELETE FROM sigsentry.queue q
	 WHERE q.tenant_id = p_tenant
	   AND q.id = ANY (ARRAY (SELECT o.id FROM sigsentry.queue o WHERE o.tenant_id = p_tenant FOR UPDATE SKIP LOCKED));
	DELETE FROM sigsentry.lane l WHERE l.tenant_id = p_tenant;
	DELETE FROM sigsentry.attempt a WHERE a.tenant_id = p_tenant;
	DELETE FROM sigsentry.delivery d WHERE d.tenant_id = p_tenant;
	DELETE FROM sigsentry.event e WHERE e.tenant_id = p_tenant;
	DELETE FROM sigsentry.gone_channel g WHERE g.tenant_id = p_tenant;
	DELETE FROM sigsentry.operator_notice n WHERE n.tenant_id = p_tenant;
	DELETE FROM sigsentry.mail_day m WHERE m.tenant_id = p_tenant;
	DELETE FROM sigsentry.permit r WHERE r.tenant_id = p_tenant;
	PERFORM sigsentry.audit_by_user(p_actor, NULL, 'tenant.delete', p_tenant::text, v_before, NULL);
	status := 'ok';
	"id" := p_tenant;
END
$$;
