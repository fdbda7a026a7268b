-- No parameters.
SELECT name, suffix, label, value FROM api.metrics()
