-- $1 actor, $2 tenant, $3 name, $4 slug.
SELECT * FROM admin.project_create($1::text, $2::uuid, $3::text, $4::text)
