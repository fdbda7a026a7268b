-- Arrays of one length: $1 tenants, $2 deliveries, $3 claims, $4 progress, $5 mails.
SELECT courier.hand_back($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[])
