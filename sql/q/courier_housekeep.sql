-- $1 rows to delete of a kind at the most.
SELECT done, more FROM courier.housekeep($1::integer)
