-- $1 digest of the key, $2 X-Project-Id or NULL, $3 event.
SELECT status, key_id, tenant_id, project_id, data
  FROM api.event_get($1::bytea, $2::uuid, $3::uuid)
