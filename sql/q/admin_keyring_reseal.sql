-- Arrays: $1 tenants, $2 channels, $3 fields, $4 old and $5 new values, $6 old and $7 new ones of the replaced.
SELECT admin.keyring_reseal($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[])
