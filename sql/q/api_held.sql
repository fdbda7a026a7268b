-- No parameters.
SELECT held_at, why FROM api.held()
