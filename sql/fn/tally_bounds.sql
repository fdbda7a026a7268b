-- sigsentry.tally_bounds: the bounds of the histogram of how long deliveries take: from what a good destination answers in, to
-- the last attempt of a day's schedule.
-- Returns seconds, ascending; the last is infinity.
-- Tables: none.
-- Role: none; courier.record and api.metrics call it.
CREATE OR REPLACE FUNCTION sigsentry.tally_bounds() RETURNS double precision[]
LANGUAGE sql IMMUTABLE
AS $$
	SELECT ARRAY[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400, 'Infinity']::double precision[]
$$;
