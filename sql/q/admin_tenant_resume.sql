-- $1 actor, $2 tenant.
SELECT * FROM admin.tenant_resume($1::text, $2::uuid)
