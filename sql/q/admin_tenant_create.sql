-- $1 actor, $2 name, $3 plan.
SELECT * FROM admin.tenant_create($1::text, $2::text, $3::text)
