-- $1 name of a role.  The statement that lets the asking role give something to it; empty where it may already, as a
-- superuser may.
SELECT CASE WHEN pg_catalog.pg_has_role($1::text, CASE WHEN pg_catalog.current_setting('server_version_num')::int < 160000
                                                      THEN 'MEMBER' ELSE 'SET' END)
            THEN '' ELSE pg_catalog.format('GRANT %I TO CURRENT_USER', $1::text) END
