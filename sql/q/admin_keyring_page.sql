-- $1 tenant, $2 channel and $3 field of the last one; $4 the id in hex of the key whose values are left out; $5 credentials at the most.
SELECT * FROM admin.keyring_page($1::uuid, $2::uuid, $3::text, $4::text, $5::integer)
