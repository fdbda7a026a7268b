-- $1 tenant, $2 notice.
SELECT courier.notice_done($1::uuid, $2::uuid)
