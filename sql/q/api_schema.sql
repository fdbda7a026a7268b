-- No parameters.  One row: the schema's version.  By the function that every release has, so that a new program can tell how old
-- an old schema is.
SELECT r.version FROM api.ready() r
