-- sigsentry.queue_again: put deliveries that have ended back into the queue, under their own ids, with their schedule anew.  An
-- e-mail that was not delivered goes to those alone who have not got it, refused ones too; one that was, to all.
-- p_tenant  whose
-- p_ids     the deliveries
-- Returns how many: without those that another call has just taken, or whose event is no longer kept.
-- Tables: reads attempt, event; writes delivery, queue.
-- Role: none; the functions that retry call it.
CREATE OR REPLACE FUNCTION sigsentry.queue_again(p_tenant uuid, p_ids uuid[]) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
	WITH taken AS (
		DELETE FROM sigsentry.delivery d
		 WHERE d.tenant_id = p_tenant AND d.id = ANY (p_ids)
		   AND EXISTS (SELECT 1 FROM sigsentry.event e WHERE e.tenant_id = d.tenant_id AND e.id = d.event_id)
		RETURNING d.*
	), put AS (
		INSERT INTO sigsentry.queue (tenant_id, id, channel_id, event_id, severity, is_test, size, wake_at, tries, created_at, last_status_code,
		                             last_error, progress)
		-- due from now on, not from when it was created
		SELECT t.tenant_id, t.id, t.channel_id, t.event_id, e.severity, t.is_test, octet_length(e.payload::text), now(),
		       coalesce((SELECT max(a.number) FROM sigsentry.attempt a WHERE a.tenant_id = t.tenant_id AND a.delivery_id = t.id), 0),
		       t.created_at, t.last_status_code, t.last_error,
		       CASE WHEN t.status <> 'delivered'
		            THEN nullif(array_to_string(ARRAY (SELECT m.mark FROM unnest(string_to_array(t.progress, ',')) AS m (mark)
		                                                WHERE m.mark NOT LIKE 'r%'), ','), '') END
		  FROM taken t
		  JOIN sigsentry.event e ON e.tenant_id = t.tenant_id AND e.id = t.event_id
		RETURNING 1
	)
	SELECT count(*)::integer FROM put
$$;
