-- After a file of sql/schema: it was applied.
INSERT INTO sigsentry.migration (version, name, sha256, program_version)
VALUES (:version, :'name', :'sha256', :'program');
