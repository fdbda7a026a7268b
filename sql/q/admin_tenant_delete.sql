-- $1 actor, $2 tenant.
SELECT * FROM admin.tenant_delete($1::text, $2::uuid)
