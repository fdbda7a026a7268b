-- $1 courier, $2 name, $3 version, $4 key ids, $5 flights; arrays of the deliveries under way: $6 tenants, $7 ids, $8 claims; $9 lease
-- in seconds.
SELECT courier.renew($1::uuid, $2::text, $3::text, $4::text[], $5::integer, $6::uuid[], $7::uuid[], $8::uuid[], $9::integer)
