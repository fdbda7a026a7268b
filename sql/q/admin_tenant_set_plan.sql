-- $1 actor, $2 tenant, $3 plan.
SELECT * FROM admin.tenant_set_plan($1::text, $2::uuid, $3::text)
