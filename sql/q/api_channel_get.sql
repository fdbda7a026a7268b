-- $1 digest of the key, $2 X-Project-Id or NULL, $3 channel.
SELECT status, key_id, tenant_id, project_id, data
  FROM api.channel_get($1::bytea, $2::uuid, $3::uuid)
