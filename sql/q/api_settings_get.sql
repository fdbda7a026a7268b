-- $1 digest of the key, $2 X-Project-Id or NULL.
SELECT status, key_id, tenant_id, project_id, data
  FROM api.settings_get($1::bytea, $2::uuid)
