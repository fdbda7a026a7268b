-- No parameters.
SELECT "held", "heldAt", "heldBy", "why", "releasedAt", "waiting", "sending", "oldestEventAt", "newestEventAt" FROM admin.queue_held()
