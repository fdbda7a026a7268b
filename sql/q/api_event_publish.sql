-- $1 digest of the key, $2 X-Project-Id or NULL, $3 id of the new event, $4 its body, $5 MAC of the Idempotency-Key or NULL,
-- $6 MAC of the request.
SELECT status, key_id, tenant_id, project_id, answer, issues
  FROM api.event_publish($1::bytea, $2::uuid, $3::uuid, $4::jsonb, $5::bytea, $6::bytea)
