-- No parameters.  A new program may meet the function of the release before, which told the first two alone: then the schema is
-- to be called too old, and not the statement wrong.
SELECT r.version, r.writable, (j ->> 'overdue_s')::integer AS overdue_s, (j ->> 'beat_s')::integer AS beat_s,
       (j ->> 'is_alive')::boolean AS is_alive, j ->> 'local_type' AS local_type
  FROM api.ready() r CROSS JOIN LATERAL pg_catalog.to_jsonb(r) j
