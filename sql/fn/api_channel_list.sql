-- api.channel_list: a project's channels and the tenant-wide ones, active first, newest first.
-- p_digest, p_project  as sigsentry.key_check
-- p_inactive  the switched-off ones too
-- p_page      from 1; NULL gives all
-- p_limit     channels of a page; NULL gives all
-- Returns one row: status of sigsentry.key_check, key_id, tenant_id, project_id, data (a JSON array), total (how many there
-- are on all pages; NULL where all were asked for).
-- Tables: those of sigsentry.key_check; channel, lane.
-- Role: sigsentry_api.
CREATE OR REPLACE FUNCTION api.channel_list(
	p_digest bytea, p_project uuid, p_inactive boolean, p_page integer, p_limit integer,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid, OUT data text, OUT total integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id
	  INTO status, key_id, tenant_id, project_id
	  FROM sigsentry.key_check(p_digest, p_project, false, 'config:read', true) k;
	IF status <> 'ok' THEN
		RETURN;
	END IF;
	IF p_limit IS NOT NULL THEN
		SELECT count(*)
		  INTO total
		  FROM sigsentry.project_channels(tenant_id, project_id) c
		 WHERE c.is_active OR p_inactive;
	END IF;
	-- The lanes of the page alone, each looked up by itself (OFFSET 0 keeps the planner from joining): a plan made while there
	-- were few would go through all that there are since.
	SELECT '[' || coalesce(string_agg(sigsentry.channel_json(s.c, l.lane), ','
	                               ORDER BY (s.c).is_active DESC, (s.c).created_at DESC, (s.c).id DESC), '') || ']'
	  INTO data
	  FROM (SELECT c
	          FROM sigsentry.project_channels(tenant_id, project_id) c
	         WHERE c.is_active OR p_inactive
	         ORDER BY c.is_active DESC, c.created_at DESC, c.id DESC
	         LIMIT p_limit OFFSET (p_page - 1)::bigint * p_limit) s
	  LEFT JOIN LATERAL (SELECT l AS lane
	                       FROM sigsentry.lane l
	                      WHERE l.tenant_id = (s.c).tenant_id AND l.channel_id = (s.c).id
	                     OFFSET 0) l ON true;
END
$$;
