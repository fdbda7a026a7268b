-- $1 digest of the key, $2 X-Project-Id or NULL, $3 channel, $4 delivery, $5 id of this call.
SELECT status, key_id, tenant_id, project_id
  FROM api.delivery_retry($1::bytea, $2::uuid, $3::uuid, $4::uuid, $5::uuid)
