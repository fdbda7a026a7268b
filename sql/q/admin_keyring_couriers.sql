-- $1 the key's id in hex.
SELECT * FROM admin.keyring_couriers($1::text)
