-- $1 project, $2 event.
SELECT status, "id", "deliveries", issues::text FROM admin.publish($1::uuid, $2::jsonb)
