-- No parameters.
SELECT name, label, value FROM api.metrics()
