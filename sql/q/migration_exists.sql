-- No parameters.  One row, one boolean: has this database ever been migrated?
SELECT pg_catalog.to_regclass('sigsentry.migration') IS NOT NULL
