-- Arrays of one length, an element an attempt: $1 tenants, $2 deliveries, $3 claims, $4 outcomes, $5 waits, $6 pauses, $7 starts,
-- $8 durations, $9 codes, $10 errors, $11 excerpts, $12 progress, $13 mails taken; $14 after how many seconds of failures a channel is
-- switched off; $15 the courier.
SELECT courier.record($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[],
                      $9::integer[], $10::text[], $11::text[], $12::text[], $13::integer[], $14::integer, $15::uuid)
