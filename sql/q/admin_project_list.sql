-- $1 tenant, NULL for all.
SELECT * FROM admin.project_list($1::uuid)
