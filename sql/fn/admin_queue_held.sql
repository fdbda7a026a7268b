-- admin.queue_held: is the queue held, and what waits in it?
-- Returns one row: held; heldAt, heldBy, why where it is; releasedAt, when it was last released (NULL: never); waiting, deliveries that no
-- courier has in hand, those whose courier's lease has run out too; sending; oldestEventAt, newestEventAt, when the oldest and the newest
-- event that waits was published.
-- Tables: reads hold, queue, event.
-- Role: sigsentry_owner.
CREATE OR REPLACE FUNCTION admin.queue_held(
	OUT "held" boolean, OUT "heldAt" text, OUT "heldBy" text, OUT "why" text, OUT "releasedAt" text, OUT "waiting" bigint,
	OUT "sending" bigint, OUT "oldestEventAt" text, OUT "newestEventAt" text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v_first uuid;
	v_last uuid;
BEGIN
	SELECT h.held_at IS NOT NULL, sigsentry.rfc3339(h.held_at), h.held_by, h.why, sigsentry.rfc3339(nullif(h.released_at, '-infinity'))
	  INTO "held", "heldAt", "heldBy", "why", "releasedAt"
	  FROM sigsentry.hold h;
	"held" := coalesce("held", false);
	SELECT count(*) FILTER (WHERE q.claim_id IS NULL OR q.wake_at <= now()), count(*) FILTER (WHERE q.claim_id IS NOT NULL AND q.wake_at > now())
	  INTO "waiting", "sending"
	  FROM sigsentry.queue q;
	-- Ids are in the order of time: of the ends of the index alone the events are looked up.
	SELECT q.event_id INTO v_first FROM sigsentry.queue q ORDER BY q.event_id LIMIT 1;
	SELECT q.event_id INTO v_last FROM sigsentry.queue q ORDER BY q.event_id DESC LIMIT 1;
	SELECT sigsentry.rfc3339(e.accepted_at) INTO "oldestEventAt" FROM sigsentry.event e WHERE e.id = v_first;
	SELECT sigsentry.rfc3339(e.accepted_at) INTO "newestEventAt" FROM sigsentry.event e WHERE e.id = v_last;
END
$$;
