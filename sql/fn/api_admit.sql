-- api.admit: may this key do this, and is there a permit for it?  For a request that has none yet, for one whose body is
-- refused (a bad key learns nothing about the body), and for one that must know the channel before its body is judged.
-- p_digest, p_project, p_project_bad, p_permission, p_need_project: as sigsentry.key_check
-- p_kind     read or write: which of the plan's limits
-- p_take     take permits: a hundredth of the limit, at least one.  False: the caller has one already
-- p_channel  the channel that the request is about; NULL is none
-- Returns one row: status of sigsentry.key_check, or rate_limited, key_id, tenant_id, project_id; where the key is good,
-- whatever it may do: rate_limit (NULL is unlimited), granted, remaining, reset_s (Unix seconds), reset_ms (how long until
-- then); with status ok and a channel that the key reaches: channel_type, channel_shown (what a GET shows, JSON), channel_writable,
-- channel_fields (names of the credential fields that it has, with commas between).
-- Tables: those of sigsentry.key_check; plan, channel, lane, credential; writes permit.
-- Role: sigsentry_api.
-- Its transaction may write permits alone, which no crash need keep: so its commit does not wait for a flush.
CREATE OR REPLACE FUNCTION api.admit(
	p_digest bytea, p_project uuid, p_project_bad boolean, p_permission text, p_need_project boolean,
	p_kind text, p_take boolean, p_channel uuid,
	OUT status text, OUT key_id uuid, OUT tenant_id uuid, OUT project_id uuid,
	OUT rate_limit integer, OUT granted integer, OUT remaining integer, OUT reset_s bigint, OUT reset_ms bigint,
	OUT channel_type text, OUT channel_shown text, OUT channel_writable boolean, OUT channel_fields text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
	v_kind text;
	v_now timestamptz := clock_timestamp();
BEGIN
	SELECT k.status, k.key_id, k.tenant_id, k.project_id, k.kind,
	       CASE p_kind WHEN 'read' THEN l.reads_per_minute ELSE l.writes_per_minute END
	  INTO status, key_id, tenant_id, project_id, v_kind, rate_limit
	  FROM sigsentry.key_check(p_digest, p_project, p_project_bad, p_permission, p_need_project) k
	  LEFT JOIN sigsentry.plan l ON l.name = k.plan;
	IF status IN ('unauthorized', 'key_revoked', 'key_expired') THEN
		rate_limit := NULL;
		RETURN;
	END IF;

	PERFORM set_config('synchronous_commit', 'off', true);
	IF rate_limit IS NULL THEN
		-- A number of permits all the same, so that the next requests need not ask.
		granted := CASE WHEN p_take AND status = 'ok' THEN 1000 ELSE 0 END;
		reset_s := date_part('epoch', date_trunc('minute', v_now, 'UTC'))::bigint + 60;
	ELSE
		SELECT t.granted, t.remaining, t.reset_s
		  INTO granted, remaining, reset_s
		  FROM sigsentry.permit_take(tenant_id, key_id, p_kind, rate_limit,
		                             CASE WHEN p_take AND status = 'ok' THEN greatest(rate_limit / 100, 1) ELSE 0 END) t;
		IF p_take AND status = 'ok' AND granted = 0 THEN
			status := 'rate_limited';
		END IF;
	END IF;
	reset_ms := greatest(reset_s * 1000 - (date_part('epoch', clock_timestamp()) * 1000)::bigint, 0);

	IF status = 'ok' AND p_channel IS NOT NULL THEN
		SELECT c.type, sigsentry.channel_json(c, l), NOT (v_kind = 'secret' AND c.project_id IS NULL),
		       (SELECT string_agg(f.field, ',') FROM sigsentry.credential f WHERE f.tenant_id = c.tenant_id AND f.channel_id = c.id)
		  INTO channel_type, channel_shown, channel_writable, channel_fields
		  FROM sigsentry.channel c
		  LEFT JOIN sigsentry.lane l ON l.tenant_id = c.tenant_id AND l.channel_id = c.id
		 WHERE c.tenant_id = admit.tenant_id AND c.id = p_channel
		   AND (admit.project_id IS NULL OR c.project_id IS NULL OR c.project_id = admit.project_id);
	END IF;
END
$$;
