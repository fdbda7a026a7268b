-- No parameters.  How many seconds ago a courier last did its chores; no row: none ever did.
SELECT greatest(pg_catalog.date_part('epoch', pg_catalog.now()) - g.value, 0)::bigint
  FROM sigsentry.gauge g
 WHERE g.name = 'sigsentry_counted_timestamp_seconds'
