-- Opens each transaction of a migration: one at a time in a database, until the transaction ends.  The lock's number
-- is "sigsentr" in ASCII.  One waits for the lock as long as it takes, but for a table only so long that the requests
-- that queue up behind do not fail (lock_timeout_ms is 2 s), and that it is never a request that PostgreSQL ends where the two wait
-- for each other (deadlock_timeout is 1 s).  sigsentryctl tries again.
SET LOCAL lock_timeout = 0;
SELECT pg_catalog.pg_advisory_xact_lock(8316291932236969074);
SET LOCAL lock_timeout = '500ms';
SET LOCAL client_min_messages = warning;
