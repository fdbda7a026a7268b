-- No parameters.
SELECT "now", "waiting", "sending", "oldestDueSeconds", "deliveredLastHour", "failedLastHour", "couriersAlive", "localFault"
  FROM admin.queue_status()
