-- $1 actor, $2 tenant or NULL, $3 project.
SELECT * FROM admin.project_delete($1::text, $2::uuid, $3::uuid)
