-- $1 deliveries.
SELECT "id", status FROM admin.delivery_retry($1::uuid[])
