-- $1 actor, $2 tenant, $3 new name.
SELECT * FROM admin.tenant_rename($1::text, $2::uuid, $3::text)
