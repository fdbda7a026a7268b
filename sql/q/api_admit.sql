-- $1 digest of the key, $2 X-Project-Id or NULL, $3 X-Project-Id is malformed, $4 permission the endpoint needs,
-- $5 the endpoint is about one project, $6 read or write, $7 take permits, $8 channel or NULL.
SELECT status, key_id, tenant_id, project_id, rate_limit, granted, remaining, reset_s, reset_ms,
       channel_type, channel_shown, channel_writable, channel_fields
  FROM api.admit($1::bytea, $2::uuid, $3::boolean, $4::text, $5::boolean, $6::text, $7::boolean, $8::uuid)
