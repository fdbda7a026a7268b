-- $1 actor, $2 id of the key.
SELECT * FROM admin.apikey_revoke($1::text, $2::uuid)
