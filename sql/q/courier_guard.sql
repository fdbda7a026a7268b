-- As courier_claim, of a courier that remembers a mark: nothing comes where this database has lost that.
-- $1 claim, $2 mark, $3 when that was made, $4 name of the courier, $5 free flights, $6 of these for failing channels, $7 lease in
-- seconds, $8 types, $9 flights of one channel by type, $10 gap between two in ms by type, $11 messages of a tenant and day.
SELECT c.tenant_id, c.id, c.channel_id, c.type, c.attempts, c.is_test, c.event_id, c.project_id, c.project_slug, c.event_name, c.severity,
       c.payload, c.occurred_at, c.accepted_at, c.progress, c.credentials, c.is_failing
  FROM courier.guard($1::uuid, $2::uuid, $3::timestamptz, $4::text) AS g (id)
 CROSS JOIN LATERAL courier.claim(g.id, $5::integer, $6::integer, $7::integer, $8::text[], $9::integer[], $10::integer[],
                                  $11::integer) c
 WHERE g.id IS NOT NULL
