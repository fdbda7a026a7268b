-- courier.claim: take deliveries that may go now, under a lease.
-- p_claim     id of this claim, made by the courier: goes with every outcome
-- p_free      how many deliveries it can take
-- p_failing   of these, how many may be of channels whose last attempt failed, or took long
-- p_lease_s   how long the courier has, unless it renews the lease (courier.renew)
-- p_types, p_flights, p_gaps_ms  by channel type: how many deliveries of one channel may be under way at once, and how much
--             time lies between two; 0 is none
-- p_mail_cap  messages that a tenant may send on a day (UTC); 0 is any number.  Its e-mail then waits for the next day
-- Returns rows: tenant_id, id (the delivery), channel_id, type, attempts (that counted), is_test, event_id, project_id,
-- project_slug, event_name, severity, payload, occurred_at, accepted_at (ms since 1970, both), progress, credentials (name:sealed:previous
-- of each field with commas between, the sealed values in hex; previous is a replaced secret that still signs, or empty),
-- is_failing (the channel's last attempt failed, or took long).  None while the queue is held, to whichever courier asks.
-- Tables: reads hold, event, channel, credential, project, tenant, mail_day; writes queue, lane, delivery.
-- Role: sigsentry_courier.
-- Three steps in one call.  Whoever must be looked at (new, paused long enough, its courier gone) becomes ready, and its
-- lane due.  Due lanes are taken, each by one courier.  Of each, the gravest and oldest go, as many as may; those of a
-- switched-off channel (switched off while they were on their way, or between two attempts) end as cancelled.
-- A batch holds 2 MiB of payloads of failing channels, and as much of others, at the most (or one that is larger): all of it comes
-- in one answer, and waits in the courier's memory until it is rendered.
-- Couriers lock lanes after rows of the queue, or pass over what is locked: so nobody waits for another in a circle.
CREATE OR REPLACE FUNCTION courier.claim(
	p_claim uuid, p_free integer, p_failing integer, p_lease_s integer,
	p_types text[], p_flights integer[], p_gaps_ms integer[], p_mail_cap integer)
RETURNS TABLE (tenant_id uuid, id uuid, channel_id uuid, type text, attempts integer, is_test boolean,
               event_id uuid, project_id uuid, project_slug text, event_name text, severity smallint, payload text,
               occurred_at bigint, accepted_at bigint, progress text, credentials text, is_failing boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
	v_tenants uuid[];
	v_channels uuid[];
	v_due timestamptz[];
	v_failing boolean[];
	v_ats tid[];
	v_rows sigsentry.queue[];
	v_types text[];    -- of the channels of v_rows
	v_ills boolean[];  -- and whether they are failing
	v_first uuid;
	v_last uuid;
BEGIN
	IF EXISTS (SELECT 1 FROM sigsentry.hold h WHERE h.id = 1 AND h.held_at IS NOT NULL) THEN
		RETURN;
	END IF;
	PERFORM sigsentry.queue_wake(2 * p_free + 100);

	-- In a statement of its own: the next one then sees all that became ready before the lanes were held.
	SELECT array_agg(d.tenant_id), array_agg(d.channel_id), array_agg(d.due_at), array_agg(d.is_failing), array_agg(d.at)
	  INTO v_tenants, v_channels, v_due, v_failing, v_ats
	  FROM (SELECT * FROM (SELECT l.tenant_id, l.channel_id, l.due_at, l.is_failing, l.ctid AS at FROM sigsentry.lane l
		                WHERE NOT l.is_failing AND l.due_at <= now() AND l.due_at < 'infinity'
		                ORDER BY l.due_at LIMIT p_free FOR UPDATE SKIP LOCKED) well
		 UNION ALL
		SELECT * FROM (SELECT l.tenant_id, l.channel_id, l.due_at, l.is_failing, l.ctid AS at FROM sigsentry.lane l
		                WHERE l.is_failing AND l.due_at <= now() AND l.due_at < 'infinity'
		                ORDER BY l.due_at LIMIT least(p_free, p_failing) FOR UPDATE SKIP LOCKED) ill) d;
	IF v_channels IS NULL THEN
		RETURN;
	END IF;

	WITH due AS MATERIALIZED (
		SELECT * FROM unnest(v_tenants, v_channels, v_due, v_failing, v_ats) AS d (tenant_id, channel_id, due_at, is_failing, at)
	), room AS MATERIALIZED (
		SELECT d.channel_id, d.due_at, d.is_failing, d.at, s.type, s.gap_ms, c.is_active, t.suspended_at,
		       p_mail_cap > 0 AND c.type = 'email' AND coalesce(m.sent, 0) >= p_mail_cap AS is_full,
		       CASE WHEN t.suspended_at IS NOT NULL THEN 0
		            WHEN p_mail_cap > 0 AND c.type = 'email' AND coalesce(m.sent, 0) >= p_mail_cap THEN 0
		            WHEN s.gap_ms > 0 THEN least(1, s.flights - u.n)
		            ELSE s.flights - u.n END AS room
		  FROM due d
		 CROSS JOIN LATERAL (SELECT o.type, o.is_active FROM sigsentry.channel o
		                      WHERE o.tenant_id = d.tenant_id AND o.id = d.channel_id LIMIT 1) c
		  JOIN sigsentry.tenant t ON t.id = d.tenant_id
		  LEFT JOIN sigsentry.mail_day m ON m.tenant_id = d.tenant_id AND m.day = (now() AT TIME ZONE 'UTC')::date
		  JOIN unnest(p_types, p_flights, p_gaps_ms) AS s (type, flights, gap_ms) ON s.type = c.type
		 CROSS JOIN LATERAL (SELECT count(*)::integer AS n FROM sigsentry.queue q
		                      WHERE q.channel_id = d.channel_id AND q.claim_id IS NOT NULL) u
	), chosen AS MATERIALIZED (
		SELECT c.ctid, c.channel_id FROM (
		SELECT b.ctid, b.channel_id,
		       sum(b.size) OVER (PARTITION BY b.is_failing ORDER BY b.due_at, b.channel_id, b.severity, b.id) - b.size AS before
		  FROM (
			SELECT * FROM (SELECT q.ctid, r.channel_id, r.due_at, r.is_failing, q.severity, q.id, q.size
			                 FROM room r
			                CROSS JOIN LATERAL (SELECT q.ctid, q.severity, q.id, q.size FROM sigsentry.queue q
			                                     WHERE q.channel_id = r.channel_id AND q.wake_at IS NULL
			                                       AND (r.is_active OR q.is_test)
			                                     ORDER BY q.severity, q.id LIMIT greatest(r.room, 0) FOR UPDATE SKIP LOCKED) q
			                WHERE NOT r.is_failing
			                ORDER BY r.due_at, r.channel_id, q.severity, q.id LIMIT p_free) well
			 UNION ALL
			SELECT * FROM (SELECT q.ctid, r.channel_id, r.due_at, r.is_failing, q.severity, q.id, q.size
			                 FROM room r
			                CROSS JOIN LATERAL (SELECT q.ctid, q.severity, q.id, q.size FROM sigsentry.queue q
			                                     WHERE q.channel_id = r.channel_id AND q.wake_at IS NULL
			                                       AND (r.is_active OR q.is_test)
			                                     ORDER BY q.severity, q.id LIMIT greatest(r.room, 0) FOR UPDATE SKIP LOCKED) q
			                WHERE r.is_failing
			                ORDER BY r.due_at, r.channel_id, q.severity, q.id LIMIT least(p_free, p_failing)) ill) b
		 ORDER BY b.due_at, b.channel_id, b.severity, b.id
		 LIMIT p_free) c
		 WHERE c.before < 2097152
	), cancelled AS (
		DELETE FROM sigsentry.queue q
		 WHERE q.ctid = ANY (ARRAY (SELECT o.ctid
		                              FROM room r
		                             CROSS JOIN LATERAL (SELECT w.ctid FROM sigsentry.queue w
		                                                  WHERE w.channel_id = r.channel_id AND w.wake_at IS NULL AND NOT w.is_test
		                                                    FOR UPDATE SKIP LOCKED) o
		                             WHERE NOT r.is_active))
		RETURNING q.*
	), kept AS (
		INSERT INTO sigsentry.delivery (tenant_id, id, channel_id, event_id, status, is_test, attempts, created_at, finished_at,
		                                last_status_code, last_error, progress)
		SELECT q.tenant_id, q.id, q.channel_id, q.event_id, 'cancelled', q.is_test, q.attempts, q.created_at, now(),
		       q.last_status_code, coalesce(q.last_error, 'the channel was switched off'), q.progress
		  FROM cancelled q
	), counted AS (
		SELECT h.channel_id, count(*) AS n FROM chosen h GROUP BY 1
	), claimed AS (
		UPDATE sigsentry.queue AS q
		   SET claim_id = p_claim, wake_at = now() + make_interval(secs => p_lease_s)
		 WHERE q.ctid = ANY (ARRAY (SELECT h.ctid FROM chosen h))
		RETURNING q
	), moved AS (
		-- The lane is due again when its pace allows, when an outcome makes room, or when something in it becomes ready; at once
		-- where it was only for want of free flights that no more of it went.
		UPDATE sigsentry.lane AS l
		   SET pause_until = CASE WHEN r.gap_ms > 0 AND n.n > 0 THEN now() + make_interval(secs => r.gap_ms / 1000.0) ELSE l.pause_until END,
		       due_at = CASE WHEN r.suspended_at IS NOT NULL THEN now() + interval '1 minute'
		                     WHEN r.is_full THEN date_trunc('day', now(), 'UTC') + interval '1 day'
		                     WHEN r.gap_ms > 0 AND n.n > 0 THEN now() + make_interval(secs => r.gap_ms / 1000.0)
		                     WHEN coalesce(n.n, 0) >= r.room THEN 'infinity'
		                     WHEN EXISTS (SELECT 1 FROM sigsentry.queue q
		                                   WHERE q.channel_id = r.channel_id AND q.wake_at IS NULL AND (r.is_active OR q.is_test)
		                                  OFFSET coalesce(n.n, 0)) THEN l.due_at
		                     ELSE 'infinity' END
		  FROM room r
		  LEFT JOIN counted n ON n.channel_id = r.channel_id
		 WHERE l.ctid = r.at
	)
	SELECT array_agg(k.q), array_agg(r.type), array_agg(r.is_failing)
	  INTO v_rows, v_types, v_ills
	  FROM claimed k
	  JOIN room r ON r.channel_id = (k.q).channel_id;
	IF v_rows IS NULL THEN
		RETURN;
	END IF;

	-- Between these ids lie few of the history's partitions, and only those are opened.
	SELECT min(q.event_id::text)::uuid, max(q.event_id::text)::uuid INTO v_first, v_last FROM unnest(v_rows) q;
	RETURN QUERY
	SELECT q.tenant_id, q.id, q.channel_id, v_types[d.nth], q.attempts, q.is_test, q.event_id, e.project_id, e.slug, e.name,
	       q.severity, e.payload, e.occurred_at, e.accepted_at, q.progress, f.credentials, v_ills[d.nth]
	 -- An event is read, and written as text, once for all of its deliveries.
	  FROM (SELECT r.tenant_id, r.event_id, array_agg(r.ordinality::integer) AS nths
	          FROM unnest(v_rows) WITH ORDINALITY r
	         GROUP BY 1, 2) n
	 -- With a LIMIT each is looked up by its key, whatever the planner believes of a table that has grown.  As a plain join an event
	 -- may be looked for, and was, among all of the tenant's between the two ids (measured: 320 ms for 13 deliveries, of which one
	 -- had waited long).
	 CROSS JOIN LATERAL (SELECT o.project_id, p.slug, o.name, o.payload::text AS payload,
	                            (date_part('epoch', o.occurred_at) * 1000)::bigint AS occurred_at,
	                            (date_part('epoch', o.accepted_at) * 1000)::bigint AS accepted_at
	                       FROM sigsentry.event o
	                       LEFT JOIN sigsentry.project p ON p.tenant_id = o.tenant_id AND p.id = o.project_id
	                      WHERE o.tenant_id = n.tenant_id AND o.id = n.event_id AND o.id >= v_first AND o.id <= v_last
	                      LIMIT 1) e
	 CROSS JOIN LATERAL unnest(n.nths) d (nth)
	 CROSS JOIN LATERAL (SELECT (v_rows[d.nth]).*) q
	 CROSS JOIN LATERAL (SELECT string_agg(f.field || ':' || encode(f.sealed, 'hex') || ':'
	                                       || CASE WHEN f.previous_until > now() THEN encode(f.previous_sealed, 'hex') ELSE '' END,
	                                       ',') AS credentials
	                       FROM sigsentry.credential f
	                      WHERE f.tenant_id = q.tenant_id AND f.channel_id = q.channel_id) f
	 -- Those of one event together: a courier parses it once for all of them.  Ids of events are in the order of time.
	 ORDER BY q.severity, q.event_id, q.id;
END
$$;
