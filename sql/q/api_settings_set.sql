-- $1 digest of the key, $2 X-Project-Id or NULL, $3 id of this call, $4 threshold 0..3.
SELECT status, key_id, tenant_id, project_id
  FROM api.settings_set($1::bytea, $2::uuid, $3::uuid, $4::smallint)
