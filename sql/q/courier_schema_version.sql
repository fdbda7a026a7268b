-- No parameters.  One row: the schema's version.
SELECT courier.schema_version()
