-- $1 how many at the most.
SELECT tenant_id, id, channel_id, type, attempts, is_test, event_id, project_id, project_slug, event_name, severity,
       payload, occurred_at, accepted_at, progress, credentials, false AS is_failing
  FROM courier.notices_take($1::integer)
