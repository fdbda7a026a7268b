-- $1 name of the database, $2 its owner.  The statement that makes it.
-- LOCALE 'C': the order of an index never changes with an upgrade of the system's collations.
SELECT pg_catalog.format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C''',
                         $1::text, $2::text)
