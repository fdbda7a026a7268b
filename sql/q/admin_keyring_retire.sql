-- $1 actor, $2 the key's id in hex.
SELECT admin.keyring_retire($1::text, $2::text)
