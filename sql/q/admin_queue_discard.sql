-- $1 before, $2 after which event, $3 batch, $4 count only.
SELECT status, "seen", "discarded", "next" FROM admin.queue_discard($1::timestamptz, $2::uuid, $3::integer, $4::boolean)
