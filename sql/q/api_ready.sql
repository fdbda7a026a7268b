-- No parameters.
SELECT version, writable FROM api.ready()
