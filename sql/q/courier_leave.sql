-- $1 courier.
SELECT courier.leave($1::uuid)
