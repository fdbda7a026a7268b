-- $1 name of a role.  The statement that makes it: it may log in, and nothing else; the producers' role is for others to be
-- members of.
SELECT pg_catalog.format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', $1::text,
                         CASE $1::text WHEN 'sigsentry_producer' THEN 'NOLOGIN' ELSE 'LOGIN' END)
