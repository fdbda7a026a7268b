-- $1 tenant or NULL, $2 channel or NULL, $3 statuses or NULL, $4 since when or NULL, $5 how many at the most (NULL: 100).
SELECT * FROM admin.delivery_list($1::uuid, $2::uuid, $3::text[], $4::timestamptz, $5::integer)
