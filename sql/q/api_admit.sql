-- $1 digest of the key, $2 X-Project-Id or NULL, $3 X-Project-Id is malformed, $4 permission the endpoint needs.
SELECT status, key_id, tenant_id, project_id
  FROM api.admit($1::bytea, $2::uuid, $3::boolean, $4::text)
