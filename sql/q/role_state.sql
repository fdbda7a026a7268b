-- No parameters.  For each role of an installation: its name, and ok, or what is wrong with it: missing, super, nologin,
-- nogrant (its schema is closed to it), toomuch (the tables' schema is open to it).
SELECT w.name,
       CASE WHEN r.oid IS NULL THEN 'missing'
            WHEN r.rolsuper THEN 'super'
            WHEN NOT r.rolcanlogin THEN 'nologin'
            WHEN w.uses <> '' AND NOT coalesce(pg_catalog.has_schema_privilege(r.oid, u.oid, 'USAGE'), false) THEN 'nogrant'
            WHEN w.uses <> '' AND coalesce(pg_catalog.has_schema_privilege(r.oid, t.oid, 'USAGE'), false) THEN 'toomuch'
            ELSE 'ok' END
  FROM (VALUES (1, 'sigsentry_owner', ''), (2, 'sigsentry_api', 'api'), (3, 'sigsentry_courier', 'courier'))
       AS w (place, name, uses)
  LEFT JOIN pg_catalog.pg_roles r ON r.rolname = w.name
  LEFT JOIN pg_catalog.pg_namespace u ON u.nspname = w.uses
  LEFT JOIN pg_catalog.pg_namespace t ON t.nspname = 'sigsentry'
 ORDER BY w.place
