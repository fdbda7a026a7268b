-- No parameters.  The highest applied migration.
SELECT api.schema_version()
