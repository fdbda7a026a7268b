-- $1 name of a database.  One row, one boolean.
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database d WHERE d.datname = $1::text)
