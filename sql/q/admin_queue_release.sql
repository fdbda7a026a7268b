-- $1 actor.
SELECT status, "released", "waiting" FROM admin.queue_release($1::text)
