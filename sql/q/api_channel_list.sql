-- $1 digest of the key, $2 X-Project-Id or NULL, $3 inactive ones too, $4 page or NULL, $5 limit or NULL.
SELECT status, key_id, tenant_id, project_id, data, total
  FROM api.channel_list($1::bytea, $2::uuid, $3::boolean, $4::integer, $5::integer)
