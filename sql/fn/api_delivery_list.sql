-- api.delivery_list: a channel's deliveries, newest first.
-- p_digest, p_project  as sigsentry.key_check
-- p_id      the channel
-- p_status  only those of this status; NULL is all
-- p_before  only those older than this one, the cursor; NULL begins with the newest
-- p_limit   how many
-- Returns one row: status of sigsentry.channel_reach, key_id, tenant_id, project_id, data (a JSON object).
-- Tables: those of sigsentry.channel_reach; queue, delivery, event.
-- Role: sigsentry_api.
-- plan_cache_mode: a plan for any cursor and any status would open every week of the history.
CREATE OR REPLACE FUNCTION api.delivery_list(
	p_digest bytea, p_project uuid, p_id uuid, p_status text, p_before uuid, p_limit integer,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = auto
AS $$
DECLARE
	v_of uuid; -- the channel's project; NULL: it is tenant-wide
BEGIN
	SELECT r.status, r.key_id, r.tenant_id, r.project_id, (r.channel).project_id
	  INTO status, key_id, tenant_id, project_id, v_of
	  FROM sigsentry.channel_reach(p_digest, p_project, 'config:read', p_id) r;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	WITH page AS (
		SELECT d
		  FROM sigsentry.delivery_all d
		 WHERE d.tenant_id = delivery_list.tenant_id AND d.channel_id = p_id
		   AND (p_before IS NULL OR d.id < p_before) AND (p_status IS NULL OR d.status = p_status)
		   -- Of a tenant-wide channel a project sees what is its own.
		   AND (delivery_list.project_id IS NULL OR v_of IS NOT NULL OR d.is_test
		        OR EXISTS (SELECT 1 FROM sigsentry.event o
		                    WHERE o.tenant_id = d.tenant_id AND o.id = d.event_id AND o.project_id = delivery_list.project_id))
		 ORDER BY d.id DESC
		 LIMIT p_limit + 1
	), shown AS (
		SELECT (g.d).id AS id, sigsentry.delivery_json(g.d, e.name, e.severity) || '}' AS text
		  FROM (SELECT d FROM page ORDER BY (page.d).id DESC LIMIT p_limit) g
		  LEFT JOIN sigsentry.event e ON e.tenant_id = delivery_list.tenant_id AND e.id = (g.d).event_id
	)
	SELECT '{"items":[' || coalesce(string_agg(s.text, ',' ORDER BY s.id DESC), '') || '],"nextCursor":'
	       || CASE WHEN (SELECT count(*) FROM page) > p_limit THEN '"' || (array_agg(s.id ORDER BY s.id))[1] || '"' ELSE 'null' END || '}'
	  INTO data
	  FROM shown s;
END
$$;
