-- admin.delivery_retry: send deliveries that have ended again.
-- p_ids  the deliveries
-- Returns one row for each id, in their order: id, status (ok, no_delivery, not_finished, channel_inactive).
-- Tables: reads tenant, channel; those of sigsentry.queue_again.
-- Role: sigsentry_owner.
-- Ids do not say whose they are, and indexes begin by that: each tenant is asked for each id.
CREATE OR REPLACE FUNCTION admin.delivery_retry(p_ids uuid[]) RETURNS TABLE ("id" uuid, status text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	v_id uuid;
	v_one record;
BEGIN
	FOREACH v_id IN ARRAY p_ids LOOP
		SELECT d.tenant_id, d.status AS was, d.is_test, c.is_active
		  INTO v_one
		  FROM sigsentry.tenant t
		 CROSS JOIN LATERAL (SELECT a.* FROM sigsentry.delivery_all a WHERE a.tenant_id = t.id AND a.id = v_id LIMIT 1) d
		  LEFT JOIN sigsentry.channel c ON c.tenant_id = d.tenant_id AND c.id = d.channel_id
		 LIMIT 1;
		IF NOT FOUND OR v_one.is_active IS NULL THEN
			RETURN QUERY SELECT v_id, 'no_delivery';
		ELSIF v_one.was IN ('pending', 'sending') THEN
			RETURN QUERY SELECT v_id, 'not_finished';
		ELSIF NOT v_one.is_active AND NOT v_one.is_test THEN
			RETURN QUERY SELECT v_id, 'channel_inactive';
		ELSIF sigsentry.queue_again(v_one.tenant_id, ARRAY[v_id]) = 0 THEN
			-- Another call has put it there in this moment.
			RETURN QUERY SELECT v_id, 'not_finished';
		ELSE
			RETURN QUERY SELECT v_id, 'ok';
		END IF;
	END LOOP;
END
$$;
