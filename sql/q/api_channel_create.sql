-- $1 digest of the key, $2 X-Project-Id or NULL, $3 id of the new channel, $4 type, $5 name, $6 threshold 0..3,
-- $7 destination hint, $8 names of the credential fields, $9 their sealed values in the same order, $10 MAC of the Idempotency-Key
-- or NULL, $11 MAC of the request, $12 data of the answer, $13 its Location.
SELECT status, key_id, tenant_id, project_id, plan, channel_limit, used, answer, location
  FROM api.channel_create($1::bytea, $2::uuid, $3::uuid, $4::text, $5::text, $6::smallint,
                          $7::text, $8::text[], $9::bytea[], $10::bytea, $11::bytea, $12::text, $13::text)
