-- $1 actor, $2 tenant, $3 id of the new channel, $4 type, $5 name, $6 threshold 0..3, $7 destination hint, $8 names of the
-- credential fields, $9 their sealed values in the same order.
SELECT * FROM admin.channel_create($1::text, $2::uuid, $3::uuid, $4::text, $5::text, $6::smallint, $7::text,
                                   $8::text[], $9::bytea[])
