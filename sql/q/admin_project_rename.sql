-- $1 actor, $2 tenant or NULL, $3 project, $4 new name.
SELECT * FROM admin.project_rename($1::text, $2::uuid, $3::uuid, $4::text)
