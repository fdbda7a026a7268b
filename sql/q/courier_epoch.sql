-- $1 the mark that the courier remembers, $2 when it was made, $3 name of the courier.
SELECT lost, mark, made_at, held_at, held_by, why FROM courier.epoch($1::uuid, $2::timestamptz, $3::text)
