-- admin.plan_set: add a plan or change one.  Requests a minute hold from the next minute on at the latest: permits stay taken.
-- p_actor     the local user
-- p_name      the plan, 1 to 255 characters without controls
-- p_channels  a project's own channels at the most, 0 or more
-- p_reads, p_writes  requests per key and minute, 1 or more
-- A limit that is NULL is unlimited.
-- Returns one row: status, then the plan as it is now.  Status: ok, bad_name, bad_limit.
-- Tables: writes plan, audit (nothing if it is so already).
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.plan_set(
	p_actor text, p_name text, p_channels integer, p_reads integer, p_writes integer,
	OUT status text, OUT "name" text, OUT "channelLimit" integer, OUT "readsPerMinute" integer,
	OUT "writesPerMinute" integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_before jsonb;
	v_after jsonb;
BEGIN
	IF NOT sigsentry.name_ok(p_name) THEN
		status := 'bad_name';
		RETURN;
	END IF;
	IF p_channels < 0 OR p_reads < 1 OR p_writes < 1 THEN
		status := 'bad_limit';
		RETURN;
	END IF;
	SELECT jsonb_build_object('channelLimit', l.channel_limit, 'readsPerMinute', l.reads_per_minute,
	                          'writesPerMinute', l.writes_per_minute)
	  INTO v_before
	  FROM sigsentry.plan l
	 WHERE l.name = p_name
	   FOR NO KEY UPDATE;
	v_after := jsonb_build_object('channelLimit', p_channels, 'readsPerMinute', p_reads, 'writesPerMinute', p_writes);
	IF v_before IS DISTINCT FROM v_after THEN
		INSERT INTO sigsentry.plan AS l (name, channel_limit, reads_per_minute, writes_per_minute)
		VALUES (p_name, p_channels, p_reads, p_writes)
		    ON CONFLICT ON CONSTRAINT plan_pkey DO UPDATE
		   SET channel_limit = p_channels, reads_per_minute = p_reads, writes_per_minute = p_writes;
		PERFORM sigsentry.audit_by_user(p_actor, NULL, 'plan.set', p_name, v_before, v_after);
	END IF;
	status := 'ok';
	"name" := p_name;
	"channelLimit" := p_channels;
	"readsPerMinute" := p_reads;
	"writesPerMinute" := p_writes;
END
$$;
