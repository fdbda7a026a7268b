-- $1 tenant or NULL, $2 project or NULL.
SELECT * FROM admin.apikey_list($1::uuid, $2::uuid)
