-- No parameters.
SELECT version, writable, overdue_s, beat_s, is_alive, local_type FROM api.ready()
