-- $1 tenant, $2 project or NULL.
SELECT * FROM admin.channel_list($1::uuid, $2::uuid)
