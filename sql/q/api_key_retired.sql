-- $1 the key's id.
SELECT api.key_retired($1::bytea)
