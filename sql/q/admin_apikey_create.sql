-- $1 actor, $2 tenant (NULL: the project's), $3 project (NULL for org), $4 kind, $5 permissions, $6 name,
-- $7 SHA-256 of the key, $8 display prefix, $9 expiry or NULL.
SELECT * FROM admin.apikey_create($1::text, $2::uuid, $3::uuid, $4::text, $5::text[], $6::text,
                                  $7::bytea, $8::text, $9::timestamptz)
