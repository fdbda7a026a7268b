-- $1 name of a role.  One row, one boolean.
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = $1::text)
