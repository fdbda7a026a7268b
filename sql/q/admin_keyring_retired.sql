-- $1 the key's id in hex.
SELECT admin.keyring_retired($1::text)
