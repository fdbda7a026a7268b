-- $1 tenant or NULL, $2 how many at the most (NULL: 100), $3 since when or NULL.
SELECT * FROM admin.audit_list($1::uuid, $2::integer, $3::timestamptz)
