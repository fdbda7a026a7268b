-- No parameters.  The migrations that this database has, in order; times as the API writes them.
SELECT m.version, m.name, m.sha256,
       pg_catalog.to_char(m.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), m.program_version
  FROM sigsentry.migration m
 ORDER BY m.version
