-- sigsentry.history_forget: delete the history of deleted channels, and what is left of theirs in the queue.
-- p_batch  deliveries at the most
-- Returns whether there is more to delete now.
-- Tables: writes gone_channel, delivery, attempt; those of sigsentry.queue_drop.
-- Role: none; courier.housekeep calls it.
-- A channel is looked at when it is deleted, and once more a day later: an outcome that was being written then may have come.  Its events stay
-- until retention takes them: they belong to the project, and went to others, too.
CREATE OR REPLACE FUNCTION sigsentry.history_forget(p_batch integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_gone sigsentry.gone_channel;
	v_ids uuid[];
	v_left integer := p_batch;
	v_looked integer := 0;
BEGIN
	FOR v_gone IN SELECT g.* FROM sigsentry.gone_channel g
	               WHERE NOT g.is_empty OR g.gone_at <= now() - interval '1 day'
	               ORDER BY g.gone_at LIMIT 100 LOOP
		v_looked := v_looked + 1;
		-- What a courier had locked, and then did not take; what is under way ends with its lease.
		PERFORM sigsentry.queue_drop(v_gone.tenant_id, v_gone.channel_id, false);
		v_ids := ARRAY (SELECT d.id FROM sigsentry.delivery d
		                 WHERE d.tenant_id = v_gone.tenant_id AND d.channel_id = v_gone.channel_id
		                 ORDER BY d.id LIMIT v_left);
		-- Between the first and the last lie few weeks, and only those are opened.
		DELETE FROM sigsentry.attempt a
		 WHERE a.tenant_id = v_gone.tenant_id AND a.delivery_id = ANY (v_ids)
		   AND a.delivery_id >= v_ids[1] AND a.delivery_id <= v_ids[cardinality(v_ids)];
		DELETE FROM sigsentry.delivery d
		 WHERE d.tenant_id = v_gone.tenant_id AND d.id = ANY (v_ids) AND d.id >= v_ids[1] AND d.id <= v_ids[cardinality(v_ids)];
		v_left := v_left - cardinality(v_ids);
		IF v_left <= 0 THEN
			RETURN true;
		END IF;
		DELETE FROM sigsentry.gone_channel g
		 WHERE g.tenant_id = v_gone.tenant_id AND g.channel_id = v_gone.channel_id AND g.gone_at <= now() - interval '1 day';
		UPDATE sigsentry.gone_channel AS g SET is_empty = true
		 WHERE g.tenant_id = v_gone.tenant_id AND g.channel_id = v_gone.channel_id;
	END LOOP;
	RETURN v_looked = 100;
END
$$;
