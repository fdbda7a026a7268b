-- $1 digest of the key, $2 X-Project-Id or NULL, $3 channel, $4 id of this call, $5 name, $6 threshold, $7 active,
-- $8 destination hint (NULL: unchanged, each of them), $9 names of credential fields or NULL, $10 their sealed values in the same
-- order (NULL: removed), $11 fields not named go too, $12 overlap of a replaced hmacSecret in seconds.
SELECT status, key_id, tenant_id, project_id
  FROM api.channel_update($1::bytea, $2::uuid, $3::uuid, $4::uuid, $5::text, $6::smallint, $7::boolean,
                          $8::text, $9::text[], $10::bytea[], $11::boolean, $12::integer)
