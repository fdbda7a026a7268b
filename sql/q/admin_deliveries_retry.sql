-- $1 channel, $2 created since, $3 until or NULL, $4 statuses or NULL (failed), $5 ended by then, $6 how many at the most.
SELECT status, "queued"
  FROM admin.deliveries_retry($1::uuid, $2::timestamptz, $3::timestamptz, $4::text[], $5::timestamptz, $6::integer)
