-- $1 how many seconds the history is kept; 0 is for ever.
SELECT courier.history_drop($1::integer)
