-- $1 digest of the key, $2 X-Project-Id or NULL, $3 channel, $4 status or NULL, $5 cursor or NULL, $6 limit.
SELECT status, key_id, tenant_id, project_id, data
  FROM api.delivery_list($1::bytea, $2::uuid, $3::uuid, $4::text, $5::uuid, $6::integer)
