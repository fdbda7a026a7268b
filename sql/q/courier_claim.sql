-- $1 claim, $2 free flights, $3 of these for failing channels, $4 lease in seconds, $5 types, $6 flights of one channel by type,
-- $7 gap between two in ms by type, $8 messages of a tenant and day.
SELECT tenant_id, id, channel_id, type, attempts, is_test, event_id, project_id, project_slug, event_name, severity,
       payload, occurred_at, accepted_at, progress, credentials, is_failing
  FROM courier.claim($1::uuid, $2::integer, $3::integer, $4::integer, $5::text[], $6::integer[], $7::integer[], $8::integer)
