-- $1 actor, $2 before, $3 how many were discarded.
SELECT status, "released", "waiting" FROM admin.queue_discarded($1::text, $2::timestamptz, $3::bigint)
