-- $1 digest of the key, $2 X-Project-Id or NULL, $3 channel, $4 since, $5 until or NULL, $6 statuses, $7 last delivery of the batch
-- before or NULL, $8 how many at the most, $9 id of this call.
SELECT status, key_id, tenant_id, project_id, queued, last
  FROM api.deliveries_retry($1::bytea, $2::uuid, $3::uuid, $4::timestamptz, $5::timestamptz, $6::text[], $7::uuid, $8::integer,
                            $9::uuid)
