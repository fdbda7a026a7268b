-- $1 actor, $2 action, $3 the key's id in hex, $4 what is so now, JSON.
SELECT admin.keyring_note($1::text, $2::text, $3::text, $4::jsonb)
