-- $1 actor, $2 plan, $3 channels per project, $4 reads and $5 writes per minute; NULL is unlimited.
SELECT * FROM admin.plan_set($1::text, $2::text, $3::integer, $4::integer, $5::integer)
