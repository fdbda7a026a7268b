-- No parameters.  For each role of an installation: its name, and ok, or what is wrong with it: missing, super, nologin,
-- nogrant (its schema, or the producers' one function, is closed to it), toomuch (the tables' schema is open to it).
SELECT w.name,
       CASE WHEN r.oid IS NULL THEN 'missing'
            WHEN r.rolsuper THEN 'super'
            WHEN w.uses = 'sigsentry'
            THEN CASE WHEN coalesce(pg_catalog.has_schema_privilege(r.oid, u.oid, 'USAGE')
                                    AND pg_catalog.has_function_privilege(r.oid, pg_catalog.to_regprocedure('sigsentry.publish(uuid, jsonb)'), 'EXECUTE'), false)
                      THEN 'ok' ELSE 'nogrant' END
            WHEN NOT r.rolcanlogin THEN 'nologin'
            WHEN w.uses <> '' AND NOT coalesce(pg_catalog.has_schema_privilege(r.oid, u.oid, 'USAGE'), false) THEN 'nogrant'
            WHEN w.uses <> '' AND coalesce(pg_catalog.has_schema_privilege(r.oid, t.oid, 'USAGE'), false) THEN 'toomuch'
            ELSE 'ok' END
  FROM (VALUES (1, 'sigsentry_owner', ''), (2, 'sigsentry_api', 'api'), (3, 'sigsentry_courier', 'courier'),
               (4, 'sigsentry_producer', 'sigsentry'))
       AS w (place, name, uses)
  LEFT JOIN pg_catalog.pg_roles r ON r.rolname = w.name
  LEFT JOIN pg_catalog.pg_namespace u ON u.nspname = w.uses
  LEFT JOIN pg_catalog.pg_namespace t ON t.nspname = 'sigsentry'
 ORDER BY w.place
