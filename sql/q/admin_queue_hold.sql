-- $1 actor, $2 reason.
SELECT status, "held", "heldAt", "heldBy", "why" FROM admin.queue_hold($1::text, $2::text)
