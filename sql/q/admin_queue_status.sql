-- No parameters.
SELECT s."now", s."waiting", s."sending", s."oldestDueSeconds", s."deliveredLastHour", s."failedLastHour", s."couriersAlive",
       s."localFault", h."heldAt", h."heldBy", h."why" AS "heldWhy"
  FROM admin.queue_status() s CROSS JOIN admin.queue_held() h
