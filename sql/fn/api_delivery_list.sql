-- api.delivery_list: a channel's deliveries, newest first.
-- p_digest, p_project  as sigsentry.key_check
-- p_id      the channel
-- p_status  only those of this status; NULL is all
-- p_before  only those older than this one, the cursor; NULL begins with the newest
-- p_limit   how many
-- Returns one row: status of sigsentry.channel_reach, key_id, tenant_id, project_id, data (a JSON object).
-- Tables: those of sigsentry.channel_reach; queue, delivery, event.
-- Role: sigsentry_api.
-- enable_sort: what is read in the order of its index ends with the page; all of a channel's history would have to be read to be
-- sorted (measured: 80 ms a page with 100,000 deliveries).  The planner thinks of a channel's part in each week as a few rows.
CREATE OR REPLACE FUNCTION api.delivery_list(
	p_digest bytea, p_project uuid, p_id uuid, p_status text, p_before uuid, p_limit integer,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
DECLARE
	v_sees_all boolean; -- else only what is the project's own
	v_before uuid := coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
	v_ids uuid[];
	v_next uuid; -- the next page's cursor
	v_page sigsentry.delivery_all[];
	v_first uuid;
	v_last uuid;
BEGIN
	-- Of a tenant-wide channel a project sees what is its own.
	SELECT r.status, r.key_id, r.tenant_id, r.project_id, r.project_id IS NULL OR (r.channel).project_id IS NOT NULL
	  INTO status, key_id, tenant_id, project_id, v_sees_all
	  FROM sigsentry.channel_reach(p_digest, p_project, 'config:read', p_id) r;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	-- The cursor is a bound of the index, so that a page costs the same however far back it lies.  Who asks for what has not ended
	-- does not look through what has, and who asks for what did not arrive not through what did (delivery_outcome_idx).
	IF NOT v_sees_all THEN
		SELECT o.ids, o.seen_to
		  INTO v_ids, v_next
		  FROM sigsentry.delivery_own(delivery_list.tenant_id, p_id, delivery_list.project_id, p_status, v_before, p_limit + 1) o;
	ELSIF p_status IN ('failed', 'cancelled') THEN
		v_ids := ARRAY (
			SELECT h.id
			  FROM sigsentry.delivery h
			 WHERE h.tenant_id = delivery_list.tenant_id AND h.channel_id = p_id AND h.id < v_before
			   AND h.status = p_status AND h.status <> 'delivered'
			 ORDER BY h.id DESC
			 LIMIT p_limit + 1);
	ELSE
		v_ids := ARRAY (
			SELECT b.id FROM (
				(SELECT q.id
				   FROM sigsentry.queue q
				  WHERE q.tenant_id = delivery_list.tenant_id AND q.channel_id = p_id AND q.id < v_before
				    AND (p_status IS NULL OR p_status = CASE WHEN q.claim_id IS NULL THEN 'pending' ELSE 'sending' END)
				  ORDER BY q.id DESC
				  LIMIT p_limit + 1)
				 UNION ALL
				(SELECT h.id
				   FROM sigsentry.delivery h
				  WHERE h.tenant_id = delivery_list.tenant_id AND h.channel_id = p_id AND h.id < v_before
				    AND (p_status IS NULL OR p_status = 'delivered') AND (p_status IS NULL OR h.status = 'delivered')
				  ORDER BY h.id DESC
				  LIMIT p_limit + 1)
			       ) b
			 ORDER BY b.id DESC
			 LIMIT p_limit + 1);
	END IF;
	IF cardinality(v_ids) > p_limit THEN
		v_next := v_ids[p_limit];
	END IF;
	-- Between these ids lie few of the history's partitions, and only those are opened.  With a LIMIT each is looked up by its key,
	-- not among all of the tenant's between the two.
	SELECT array_agg(d.d), min((d.d).event_id::text)::uuid, max((d.d).event_id::text)::uuid
	  INTO v_page, v_first, v_last
	  FROM unnest(v_ids[:p_limit]) AS i (id)
	 CROSS JOIN LATERAL (SELECT o AS d FROM sigsentry.delivery_all o
	                      WHERE o.tenant_id = delivery_list.tenant_id AND o.id = i.id
	                        AND o.id >= v_ids[least(cardinality(v_ids), p_limit)] AND o.id <= v_ids[1]
	                      LIMIT 1) d;
	SELECT '{"items":[' || coalesce(string_agg(sigsentry.delivery_json(d.d, e.name, e.severity) || '}', ',' ORDER BY (d.d).id DESC), '')
	       || '],"nextCursor":' || coalesce('"' || v_next || '"', 'null') || '}'
	  INTO data
	  FROM (SELECT d FROM unnest(v_page) d) d
	  LEFT JOIN LATERAL (SELECT o.name, o.severity FROM sigsentry.event o
	                      WHERE o.tenant_id = delivery_list.tenant_id AND o.id = (d.d).event_id AND o.id >= v_first AND o.id <= v_last
	                      LIMIT 1) e ON true;
END
$$;
