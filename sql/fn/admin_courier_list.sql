-- admin.courier_list: couriers of the last day, those that live first.
-- Returns one row each: lastBeatSeconds is how long ago the last beat of its heart was; alive, whether that is within its lease, and
-- no more than ten seconds ahead of now: that is of a clock that has been set back since.
-- Tables: reads courier.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.courier_list()
RETURNS TABLE ("id" uuid, "name" text, "version" text, "alive" boolean, "lastBeatAt" text, "lastBeatSeconds" integer,
               "leaseSeconds" integer, "flights" integer, "startedAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT c.id, c.name, c.version, c.beat_at > now() - make_interval(secs => c.lease_s) AND c.beat_at <= now() + interval '10 seconds',
	       sigsentry.rfc3339(c.beat_at),
	       greatest(date_part('epoch', now() - c.beat_at), 0)::integer, c.lease_s, c.flights, sigsentry.rfc3339(c.started_at)
	  FROM sigsentry.courier c
	 ORDER BY c.beat_at DESC, c.id;
END
$$;
