-- No parameters.  For each role of an installation: its name, and ok, or what is wrong with it: missing, super, nologin,
-- nogrant (its schema, or the producers' one function, is closed to it), toomuch (the tables' schema is open to it), unset (what our
-- programs set for a session does not reach the server, as this session shows, and the role has not all of it from elsewhere: for this
-- database or for every one; a lock_timeout of whatever length, but not 0, which is none).
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
            WHEN w.uses <> ''
                 AND (pg_catalog.current_setting('plan_cache_mode') <> 'force_generic_plan'
                      OR pg_catalog.current_setting('jit') <> 'off' OR pg_catalog.current_setting('lock_timeout') = '0')
                 AND EXISTS (SELECT 1 FROM (VALUES ('^jit=(off|false|no|0)$'), ('^plan_cache_mode=force_generic_plan$'), ('^lock_timeout=.*[1-9]')) AS n (form)
                              WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS c (setting)
                                                 WHERE s.setrole IN (0, r.oid) AND s.setdatabase IN (0, d.oid) AND c.setting ~ n.form))
            THEN 'unset'
            ELSE 'ok' END
  FROM (VALUES (1, 'sigsentry_owner', ''), (2, 'sigsentry_api', 'api'), (3, 'sigsentry_courier', 'courier'),
               (4, 'sigsentry_producer', 'sigsentry'))
       AS w (place, name, uses)
  JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
  LEFT JOIN pg_catalog.pg_roles r ON r.rolname = w.name
  LEFT JOIN pg_catalog.pg_namespace u ON u.nspname = w.uses
  LEFT JOIN pg_catalog.pg_namespace t ON t.nspname = 'sigsentry'
 ORDER BY w.place
